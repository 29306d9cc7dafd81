// What criu is asked for, as data, and what it answers. criu(8) is a program that takes processes
// apart and puts them together again; `criu swrk FD` serves one who asks over a socket, by the
// messages of /usr/include/criu/rpc.proto.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon::ext {

// criu_req_type
enum class CriuTask { Dump = 1, Restore = 2, Notify = 6, PreDump = 13 };
// criu_cg_mode
enum class CriuCgroups { Ignore = 0, Soft = 3, Full = 4, Strict = 5 };

// What criu takes for something that was outside: a descriptor that it inherits, or a file.
struct CriuSubstitute {
    std::string key;
    FdRef file;
};
struct CriuJoined {
    std::string kind;  // ipc, uts, time
    std::string path;
};

// What a user may say of a dump and of a restore alike.
struct CriuFlags {
    bool tcp_established = false;
    bool external_unix_sockets = false;
    bool shell_job = false;
    bool file_locks = false;
    bool lazy_pages = false;
    bool auto_dedup = false;
};

// criu_opts
struct CriuRequest {
    CriuTask task = CriuTask::Dump;
    FdRef images;  // of who made criu's socket: it opens them by that one's pid
    FdRef work;    // where its log goes
    std::string log_file;
    pid_t pid = 0;
    std::string root;
    std::vector<std::string> external;  // kind[what]:name
    std::vector<CriuSubstitute> inherited;
    std::vector<CriuJoined> joined;
    std::string freeze_cgroup;
    std::string cgroup_root;
    CriuCgroups cgroups = CriuCgroups::Soft;
    std::string parent_images;  // relative to images
    std::string page_server;    // an address
    unsigned page_server_port = 0;
    std::string lsm_profile;
    std::string lsm_mount_context;
    std::string config_file;
    bool track_memory = false;
    bool leave_running = false;
    CriuFlags flags;
    bool empty_network = false;  // a network namespace without what was in it
};
std::string encoded(const CriuRequest& request);
// The answer to a notification: go on, or take it all back.
std::string encoded_consent(bool go_on);

// criu_resp
struct CriuAnswer {
    CriuTask task = CriuTask::Dump;
    bool success = false;
    std::string script;  // of a notification: `post-restore`
    pid_t pid = 0;       // of a notification: the first process
    int error = 0;
};
// Throws std::invalid_argument
CriuAnswer decoded_answer(std::string_view message);

}  // namespace tenon::ext
