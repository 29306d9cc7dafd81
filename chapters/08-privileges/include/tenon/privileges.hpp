/// @file
/// Chapter 08, the whole: everything that a container's program may do, as data, and the one order
/// in which a process becomes that.
///
///     parent  privileges_from()       what is wanted and can be had; nothing else is pure
///             compile_filter()        a compiler, or the cache
///             prepare_privileges()    opens what only the host's paths lead to
///     child   exec_with_privileges()  labels, capabilities and user, no_new_privs, filter, execve
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tenon/capabilities.hpp"
#include "tenon/lsm.hpp"
#include "tenon/oci_spec.hpp"
#include "tenon/privilege_options.hpp"
#include "tenon/seccomp_cache.hpp"
#include "tenon/seccomp_listener.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon {

/// What the process that starts the container has to give.
struct CallerPowers {
    Capability last = 0;     ///< last_capability()
    Capabilities available;  ///< what a child of it begins with
    LsmSupport lsm;
};

/// Of this process. @param new_user_namespace  whether the child is in one of its own, where it
/// begins with every capability
/// @param asks_for_labels  without, `lsm` is not looked up
CallerPowers own_powers(bool new_user_namespace, bool asks_for_labels = true);
/// Whether any label of AppArmor's or SELinux' is given.
bool asks_for_labels(const oci::Spec& spec, const oci::Process& process);

/// What --privileged and ALL stand for: all that such a caller can give.
HostOffer all_of(const CallerPowers& powers);

/// Who answers the calls that a filter asks about, and what he is told.
struct SeccompAgent {
    std::string path;      ///< linux.seccomp.listenerPath; empty: nobody
    std::string metadata;  ///< linux.seccomp.listenerMetadata
};

/// What a program may do.
struct Privileges {
    Capabilities capabilities;  ///< of the program; see capabilities_before_exec()
    bool can_keep_sys_admin = false;
    oci::User user;
    bool no_new_privileges = false;
    LsmLabels labels;
    LsmSupport lsm;
    std::optional<seccomp::Filter> filter;
    SeccompAgent agent;
};

/// Parent side, pure, without the filter. A process that lists no capabilities has none, as from
/// runc and crun. @param spec  the container's; its `process` is not looked at
/// @param process  the program's: the container's first, or one that joins it
/// @param warnings  capabilities that were asked for and cannot be had
/// @throws std::invalid_argument  a label whose module the kernel does not run
Privileges privileges_from(const oci::Spec& spec, const oci::Process& process,
                           const CallerPowers& powers, std::vector<std::string>& warnings);

/// Parent side: the filter for linux.seccomp of @p spec, if there is one.
/// @param cache_folder  seccomp::default_cache_folder(); empty: compile it each time
/// @throws std::invalid_argument  as seccomp::compile(); a policy that notifies nobody
void compile_filter(const oci::Spec& spec, const std::string& cache_folder, Privileges& privileges,
                    std::vector<std::string>& warnings,
                    const seccomp::Compiler& compiler = seccomp::by_libseccomp);

/// Descriptors of the host's, for a child that sees the container's files only.
struct PreparedPrivileges {
    UniqueFd proc;
    UniqueFd agent;
    seccomp::ContainerProcess told_to_agent;  ///< but for the pid
    bool outlives_parent = false;             ///< else its death signal is asked for again
};

/// Parent side, before the child is made, and before signals are kept for it: an agent that is busy
/// makes us wait, and who waits must be able to end it.
/// @param status  of the container: `creating`, or `running` for a process that joins
/// @throws SysError  openat, connect; std::runtime_error  /proc is no procfs
PreparedPrivileges prepare_privileges(const Privileges& privileges, const oci::Spec& spec,
                                      const std::string& bundle, const std::string& status);

/// The five sets with which @p privileges are applied. Those of the program are made by execve,
/// of bounding, inheritable and ambient alone. So what else is permitted until then is ours: a
/// filter that comes without no_new_privs needs CAP_SYS_ADMIN, after everything that the filter
/// could forbid.
Capabilities capabilities_before_exec(const Privileges& privileges);

/// Becomes the program, with a last step right before execve(2): exec(), Attended::become().
using Become = std::function<void(const std::function<void()>& last_step)>;

/// Child side, in the container's root: THE order. Each step takes something away that an earlier
/// one needs.
/// @throws SysError  write, prctl, capset, setgroups, setresgid, setresuid, seccomp; what @p become
///         throws
[[noreturn]] void exec_with_privileges(const Privileges& privileges, PreparedPrivileges& prepared,
                                       const Become& become, const SyncSocket& to_parent);

}  // namespace tenon
