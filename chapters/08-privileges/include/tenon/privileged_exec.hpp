/// @file
/// Chapter 08: how a container's process begins, and `exec`, in which one more begins. From here on
/// every stage does it so.
#pragma once

#include <span>

#include "tenon/attended.hpp"
#include "tenon/joined_privileges.hpp"
#include "tenon/oci_spec.hpp"
#include "tenon/privileges.hpp"
#include "tenon/running_container.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon {

/// Child side, in the container's root: to the end of what is ours.
/// @throws SysError; std::runtime_error  of each step
[[noreturn]] void become_process(Attended& attended, const oci::Process& process,
                                 const Privileges& privileges, PreparedPrivileges& prepared,
                                 const SyncSocket& to_parent);

/// The whole of a stage's `exec`: one more process in a container that runs, with no more
/// privileges than that has.
/// @param arguments  our own command line
/// @return the exit status, as a shell reports it
/// @throws as open_container(), spec_of_container(), process_to_join(), run_in_container()
int exec_in_container(ExecOptions& options, const JoinOptions& join,
                      std::span<char* const> arguments);

}  // namespace tenon
