// What exec is asked for, and the process that it means.
#pragma once

#include <optional>

#include "verbs.hpp"

namespace tenon::cli {

struct ExecRequest {
    std::string process_file;
    std::string pid_file;
    std::string console_socket;
    std::string pidfd_socket;
    std::string user;
    std::string cwd;
    std::string apparmor;
    std::string process_label;
    std::string cgroup;
    std::vector<std::string> environment;
    std::vector<std::string> capabilities;
    std::vector<std::string> additional_gids;
    unsigned preserve_fds = 0;
    bool detach = false;
    bool terminal = false;
    bool no_new_privileges = false;
    bool ignore_paused = false;
};

std::vector<Option> exec_table(ExecRequest& request);

// Pure, but for the file of --process. The container's own process, changed as the options say.
// Throws std::invalid_argument, oci::InvalidSpec.
oci::Process process_for(const ExecRequest& request, const oci::Spec& spec,
                         const std::vector<std::string>& command);

}  // namespace tenon::cli
