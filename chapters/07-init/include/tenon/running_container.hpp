/// @file
/// Chapter 07: one more process in a container that runs.
///
/// All that is known of the container is a pid. What it says is read before anything is entered,
/// and held open: namespaces, root, cgroup. From the first setns on the container may look at us:
/// by then we cannot be inspected, our binary cannot be written to, and no descriptor but the
/// command's three survives exec (CVE-2016-9962, CVE-2019-5736, CVE-2024-21626).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "tenon/attended.hpp"
#include "tenon/fd.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/oci_config.hpp"

namespace tenon {

/// A process whose container is to be entered.
struct RunningContainer {
    pid_t pid = -1;
    UniqueFd pidfd;
    UniqueFd root;                         ///< O_PATH
    UniqueFd cgroup;                       ///< invalid: it is in ours
    std::vector<std::string> environment;  ///< that of the process; empty when it may not be read
};

/// Opens what there is to know of the process @p pid.
/// @throws SysError  pidfd_open: ESRCH; open root: EACCES
/// @throws std::runtime_error  its cgroup, or one above, is frozen: who enters it stands still,
///         before it can be told of; its cgroup cannot be seen from here
RunningContainer open_container(pid_t pid);

/// Pure. The path of a process's group, of the text of /proc/PID/cgroup.
/// @throws std::runtime_error  it has none in v2, or it lies outside the reader's cgroup namespace
std::string cgroup_path_of(std::string_view text, pid_t pid);

/// Pure. `KEY=value` texts of /proc/PID/environ, which the process itself may have written: what
/// has no `=`, or begins with it, is left out.
std::vector<std::string> parse_environment(std::string_view environ);

/// What `chNN exec` was asked for.
struct ExecOptions {
    NamespaceOptions namespaces;  ///< --explain, --pid-file and the command
    AttendOptions attend;
    pid_t target = -1;                     ///< PID
    std::string user;                      ///< --user UID[:GID]
    std::vector<std::uint32_t> groups;     ///< --additional-gid
    std::string cwd = "/";                 ///< --cwd
    std::vector<std::string> environment;  ///< --env KEY=VALUE, KEY
};

/// Adds the options to @p verb; parsing fills @p options, which must outlive it.
void declare_exec_options(CLI::App& verb, ExecOptions& options);

/// `UID` or `UID:GID`, digits only: a name would be looked up in a file of the container's, by us
/// (CVE-2016-3697), and a number that is none must not become 0 (CVE-2026-30892).
/// @throws std::invalid_argument  anything else; ids above 2147483647
oci::User parse_user(const std::string& text);

/// The process that @p options describe, in a container with @p environment.
/// @throws std::invalid_argument  as of parse_user(); a variable without a name
oci::Process process_from(const ExecOptions& options, const std::vector<std::string>& environment);

/// Spawns @p child_main in all namespaces of @p container, in its group, with its root, and does
/// not wait for it. @param options  pid file. @throws SysError  setns, clone3, chroot
Child spawn_in_container(const RunningContainer& container, const NamespaceOptions& options,
                         const ChildMain& child_main);

/// Runs @p child_main in all namespaces of @p container, in its group, with its root, and stays
/// with it. @param options  pid file and attendant
/// @return the exit code, as shells count. @throws SysError  setns, clone3, chroot
int run_in_container(const RunningContainer& container, const NamespaceOptions& options,
                     const ChildMain& child_main);

}  // namespace tenon
