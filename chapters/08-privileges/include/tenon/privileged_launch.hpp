/// @file
/// Chapter 08, for stage programs: options and config in, decided privileges out; what cannot be
/// had is told on standard error.
#pragma once

#include "tenon/privilege_options.hpp"
#include "tenon/privileges.hpp"
#include "tenon/running_container.hpp"

namespace tenon {

/// Whether the container has a user namespace that is not ours.
bool has_user_namespace(const oci::Spec& spec);
/// The same of a container that runs. @throws SysError  as open_namespaces()
bool has_user_namespace(const RunningContainer& container);

/// What the options name of the machine: its devices for --privileged, a policy's file.
/// @param process  its bounding set is what conditions of a profile ask for
/// @throws SysError  openat: ENOENT; std::invalid_argument  as seccomp::load_profile()
HostOffer host_offer(const PrivilegeOptions& options, const CallerPowers& powers,
                     const oci::Process& process);

/// with_privileges(), with an offer of this machine's.
oci::Spec apply_privilege_options(oci::Spec spec, const PrivilegeOptions& options,
                                  const CallerPowers& powers);

/// privileges_from() and compile_filter(), with a warning for each thing that cannot be had.
/// @throws std::invalid_argument  as those
Privileges decide_privileges(const oci::Spec& spec, const oci::Process& process,
                             const CallerPowers& powers,
                             const seccomp::Compiler& compiler = seccomp::by_libseccomp);

/// Prints the filter for linux.seccomp of the config in the folder @p bundle as pseudo-code.
/// @return the exit code
int print_filter(const std::string& bundle);

}  // namespace tenon
