// The options that create and run share, and those of run alone.
#pragma once

#include <vector>

#include "extensions.hpp"
#include "verbs.hpp"

namespace tenon::cli {

struct LaunchOptions {
    std::string bundle;
    std::string config;  // crun's: a file instead of the bundle's
    std::string pid_file;
    std::string console_socket;
    unsigned preserve_fds = 0;
    bool no_new_keyring = false;
    bool no_pivot = false;
    std::string pidfd_socket;
    // run alone:
    bool detach = false;
    bool keep = false;
};

std::vector<Option> create_table(LaunchOptions& options);
std::vector<Option> run_table(LaunchOptions& options);

// Those that restore has, too.
Option bundle_option(LaunchOptions& options);
Option pid_file_option(LaunchOptions& options);
Option console_socket_option(LaunchOptions& options);
Option detach_option(LaunchOptions& options);

// Refuses what is not there, and makes the request. LISTEN_FDS of ours is passed on.
LaunchRequest request_from(const Global& global, const LaunchOptions& options,
                           const std::string& id);

// Who stays with a container reads its terminal, where nobody else is named for that.
void stay_at_terminal(LaunchRequest& request, const LaunchOptions& options, const oci::Spec& spec);

// With systemd as the maker of groups, cgroupsPath is taken out of `spec`.
ext::Wishes wishes_from(const Global& global, const LaunchOptions& options, const std::string& id,
                        oci::Spec& spec);

// Where our caller's manager listens; empty: it has none. sd_notify(3)
std::string notify_socket_of_caller();

// The bundle, with an absolute path. What no extension does is refused.
Bundle bundle_from(const Global& global, const LaunchOptions& options);

// Descriptors that our caller left open, and did not mean for the container (CVE-2024-21626).
void close_leaked_descriptors(const LaunchRequest& request);

}  // namespace tenon::cli
