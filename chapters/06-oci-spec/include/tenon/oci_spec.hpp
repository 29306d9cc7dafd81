/// @file
/// config.json as plain structs: the objects that every platform has.
///
/// Field for field what the runtime-spec says, version 1.3.0; names are its own, spelled in
/// snake_case. What has a fixed set of values stays text, as in the file: validate() judges it,
/// whoever needs it translates it. An empty text, list or map is what is not given, as the spec's
/// own `omitempty` has it; where zero or false means something else than absence, it is optional.
/// @see runtime-spec config.md, config-linux.md
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tenon/oci_linux.hpp"

namespace tenon::oci {

/// The newest version of the specification that is understood.
inline constexpr const char* spec_version = "1.3.0";

/// Size of the terminal, in characters.
struct Box {
    std::uint32_t height = 0;
    std::uint32_t width = 0;
    bool operator==(const Box&) const = default;
};

/// Ids as seen inside the container's user namespace.
struct User {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::optional<std::uint32_t> umask;
    std::vector<std::uint32_t> additional_gids;
    bool operator==(const User&) const = default;
};

/// Names of capabilities: `CAP_CHOWN`. @see \man{capabilities,7}
struct Capabilities {
    std::vector<std::string> bounding;
    std::vector<std::string> effective;
    std::vector<std::string> inheritable;
    std::vector<std::string> permitted;
    std::vector<std::string> ambient;
    bool operator==(const Capabilities&) const = default;
};

/// One limit of \man{getrlimit,2}: `RLIMIT_NOFILE`. 2^64 - 1 is no limit.
struct Rlimit {
    std::string type;
    std::uint64_t hard = 0;
    std::uint64_t soft = 0;
    bool operator==(const Rlimit&) const = default;
};

/// @see \man{sched_setattr,2}
struct Scheduler {
    std::string policy;  ///< SCHED_OTHER, SCHED_FIFO ...
    std::int32_t nice = 0;
    std::int32_t priority = 0;
    std::vector<std::string> flags;  ///< SCHED_FLAG_RESET_ON_FORK ...
    // SCHED_DEADLINE, nanoseconds:
    std::uint64_t runtime = 0;
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
    bool operator==(const Scheduler&) const = default;
};

/// @see \man{ioprio_set,2}
struct IoPriority {
    std::string io_class;  ///< `class`: IOPRIO_CLASS_RT, _BE, _IDLE
    std::int32_t priority = 0;
    bool operator==(const IoPriority&) const = default;
};

/// CPU lists (`0-3,7`) of a process that joins the container later.
struct ExecCpuAffinity {
    std::string initial;  ///< before it is in the container's cgroup
    std::string final;    ///< from then on
    bool operator==(const ExecCpuAffinity&) const = default;
};

/// config.md, "Process"
struct Process {
    bool terminal = false;
    std::optional<Box> console_size;
    User user;
    std::vector<std::string> args;
    std::vector<std::string> env;
    std::string cwd;
    std::optional<Capabilities> capabilities;  ///< none: none are dropped
    std::vector<Rlimit> rlimits;
    bool no_new_privileges = false;
    std::string apparmor_profile;
    std::optional<std::int32_t> oom_score_adj;
    std::optional<Scheduler> scheduler;
    std::string selinux_label;
    std::optional<IoPriority> io_priority;
    std::optional<ExecCpuAffinity> exec_cpu_affinity;
    bool operator==(const Process&) const = default;
};

/// config.md, "Root"
struct Root {
    std::string path;  ///< of the host; relative: to the bundle
    bool readonly = false;
    bool operator==(const Root&) const = default;
};

/// config.md, "Mounts"
struct Mount {
    std::string destination;
    std::string type;
    std::string source;
    std::vector<std::string> options;
    std::vector<IdMapping> uid_mappings;
    std::vector<IdMapping> gid_mappings;
    bool operator==(const Mount&) const = default;
};

/// A program to be run at one point of a container's life.
struct Hook {
    std::string path;
    std::vector<std::string> args;
    std::vector<std::string> env;
    std::optional<std::int32_t> timeout;  ///< seconds
    bool operator==(const Hook&) const = default;
};

/// config.md, "POSIX-platform Hooks"; in the order in which they run.
struct Hooks {
    std::vector<Hook> prestart;
    std::vector<Hook> create_runtime;
    std::vector<Hook> create_container;
    std::vector<Hook> start_container;
    std::vector<Hook> poststart;
    std::vector<Hook> poststop;
    bool operator==(const Hooks&) const = default;
};

/// The whole file.
struct Spec {
    std::string oci_version;
    std::optional<Process> process;
    std::optional<Root> root;
    std::string hostname;
    std::string domainname;
    std::vector<Mount> mounts;
    std::optional<Hooks> hooks;
    std::map<std::string, std::string> annotations;
    std::optional<Linux> linux;
    bool operator==(const Spec&) const = default;
};

}  // namespace tenon::oci
