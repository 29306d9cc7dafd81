/// @file
/// Chapter 08, exec: what a process may do that joins a container.
///
/// No more than the container. With --bundle or --process a file says what that is; without, the
/// kernel does, of the process that is joined. A filter it cannot say: then one of the two is asked
/// for, or the new process would be the only one in there without.
#pragma once

#include <string>
#include <string_view>

#include "tenon/lsm.hpp"
#include "tenon/oci_spec.hpp"
#include "tenon/privilege_options.hpp"
#include "tenon/privileges.hpp"
#include "tenon/running_container.hpp"

namespace tenon {

/// Where privileges are read from, and how they are changed.
struct JoinOptions {
    PrivilegeOptions changes;
    std::string bundle;        ///< --bundle: config.json is in this folder
    std::string process_file;  ///< --process: a `process` object, with command and environment
};

/// Adds the options to @p exec, with those of privileges; parsing fills @p options, which must
/// outlive it.
void declare_join_options(CLI::App& exec, JoinOptions& options);

/// A spec with what @p options, or the kernel, say of @p container: `process`, `linux.seccomp`.
/// @throws SysError; oci::InvalidSpec; std::invalid_argument  no JSON
/// @throws std::runtime_error  the container has a filter, and nothing says which
oci::Spec spec_of_container(const RunningContainer& container, const JoinOptions& options);

/// Pure. The privileges that /proc/PID/status tells, for root of the container: its bounding set,
/// under no_new_privs what of it is permitted.
/// @throws std::runtime_error  it has a filter; a field is missing
oci::Process process_from_status(std::string_view status, pid_t pid);

/// The labels of the process behind @p directory, a folder of /proc, into @p process.
void take_labels(FdRef directory, const LsmSupport& support, oci::Process& process);

/// Pure. What @p exec asks for, with the privileges of the container's own process in @p spec,
/// changed as @p join says.
/// @throws std::invalid_argument  a command in two places, or in none; as with_privileges()
oci::Process process_to_join(const ExecOptions& exec, const JoinOptions& join,
                             const oci::Spec& spec, const CallerPowers& powers,
                             const std::vector<std::string>& environment);

}  // namespace tenon
