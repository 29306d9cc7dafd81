/// @file
/// Chapter 08: SCMP_ACT_NOTIFY, calls that somebody outside answers.
///
/// The kernel gives install() a descriptor, the listener; config.json's listenerPath names the
/// socket of the agent that gets it. The difficulty: it exists from the moment on at which the
/// filter judges its owner, and the filter may forbid sendmsg, or have the agent asked about it,
/// who does not know of anything yet. So the one who is filtered makes no system call at all
/// between the filter and execve. Filters are per thread: a second one, begun before, goes on as it
/// was, and shares the descriptors.
///
///     parent    child, main thread            its second thread            agent
///       |            | -- connect ---------------------------------------->  |
///       |            |    (while the host's paths are in sight)              |
///       |            | == begin ================> |                          |
///       |            |    install()               | looks at a word          |
///       |            |    number of the listener  | in memory                |
///       |            | -- word in memory -------> |                          |
///       |            |    looks at a word         | -- state, SCM_RIGHTS --> |
///       |            |    in memory               | -- end of file ------->  |
///       |            | <- word in memory -------- |                          |
///       | <- eof ----|    execve                  * (ended)                  |
///       |                                         |                          |
///       | <- Failed ------- or, when the agent is gone: _exit, of both       |
///
/// Nobody waits for a call that the filter decides about; a failure is told by the thread that has
/// no filter; and execve ends every thread but the one that calls it, so none is left in the
/// container. A helper process could do the same, but would be the container's child: its zombie,
/// its SIGCHLD.
/// @see runtime-spec config-linux.md, "The Container Process State"; \man{seccomp_unotify,2}
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include "tenon/fd.hpp"
#include "tenon/seccomp.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon::seccomp {

/// What is said when a policy notifies and has no listenerPath.
inline constexpr const char* no_listener_path =
    "seccomp: a rule says SCMP_ACT_NOTIFY, and nobody is there to be notified: set "
    "linux.seccomp.listenerPath to the socket of an agent";

/// What an agent is told about the container.
struct ContainerProcess {
    std::string oci_version;
    std::string id;
    std::string status;  ///< creating: its program does not run yet. running: one that joins it
    std::string bundle;  ///< absolute
    std::map<std::string, std::string> annotations;
    pid_t pid = 0;         ///< as the runtime sees it: own_pid_outside()
    std::string metadata;  ///< listenerMetadata
};

/// The message, JSON. @see runtime-spec config-linux.md, "The Container Process State"
std::string process_state(const ContainerProcess& process);

/// The caller's pid as processes outside its pid namespace see it: what self leads to in @p proc,
/// the host's /proc. @throws SysError  readlinkat; EXDEV when it is no procfs
pid_t own_pid_outside(FdRef proc);

/// A connection to the agent that listens at @p path, an AF_UNIX stream socket of the host. The
/// path may be longer than an address has room for. @pre before the root changes
/// @throws SysError  connect: ENOENT, ECONNREFUSED (nobody listens), EACCES, EPROTOTYPE (it is no
///         stream socket)
UniqueFd connect_agent(const std::string& path);

/// Installs @p filter; where it wants a listener, sends that with @p state over @p agent and closes
/// both, here and for good. Returns to execve and to nothing else: no allocation, no system call.
/// When the agent cannot be told, this process reports to @p to_parent and ends.
/// @pre this is the last step before execve. Single-threaded
/// @throws what install() throws; std::invalid_argument  SCHED_FIFO on one CPU, where a thread that
///         waits by looking keeps the other one out. Then there is no filter
void install_and_notify(const Filter& filter, UniqueFd agent, const std::string& state,
                        const SyncSocket& to_parent);

}  // namespace tenon::seccomp
