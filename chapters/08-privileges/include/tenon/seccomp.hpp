/// @file
/// Chapter 08, the contract: which system calls a container may make.
///
/// Capabilities divide what root may do; a filter takes away whole doors of the kernel, for
/// everybody inside. config.json says by name what is to happen; libseccomp makes a program of it
/// for each architecture that the kernel speaks; seccomp(2) puts it before every call of this
/// process and of its children, for good.
///
///     oci::Seccomp -- compile() --> Filter -- install() --> the kernel, before every call
///          ^                          |
///          |                          +-- evaluate(), explain()   (seccomp_program.hpp)
///     seccomp_profile.hpp             +-- cached by content       (seccomp_cache.hpp)
///
/// A call that somebody else is to answer (SCMP_ACT_NOTIFY): seccomp_listener.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/oci_seccomp.hpp"
#include "tenon/seccomp_program.hpp"

namespace tenon::seccomp {

/// A policy, compiled: what seccomp(2) takes.
struct Filter {
    Program program;
    unsigned flags = 0;                 ///< SECCOMP_FILTER_FLAG_*, without NEW_LISTENER
    bool wants_listener = false;        ///< SCMP_ACT_NOTIFY may happen: somebody has to listen
    std::vector<std::string> warnings;  ///< what of the policy has no effect here, one text each
};

/// Exercise 08.3. Compiles @p policy for its architectures, and for this machine's own in any case.
///
/// As runc has it: a call that this libseccomp has no number for is passed over with a warning, so
/// that a new profile works on an old machine; a rule that says what the default says already is
/// left out; several conditions on the same argument are alternatives, on different ones they all
/// have to hold. Calls newer than every one that the policy names fail with ENOSYS, where the
/// default would be an error: a program then tries the older call, instead of giving up.
///
/// @throws std::invalid_argument  what the policy says has no meaning (an unknown action, operator,
///         flag, architecture; an errno for an action that has none), or the running kernel cannot
///         do it
Filter compile(const oci::Seccomp& policy);

/// Exercise 08.4. From here on @p filter judges every system call of this thread and of its
/// children. It cannot be taken back; a further one can only take away more.
/// @return the listener, close-on-exec, where filter.wants_listener: from now on whoever makes a
///         call that is to be notified waits for what is written there
/// @pre no_new_privs is set, or the caller has CAP_SYS_ADMIN in its user namespace: else a program
///      could be made to fail where a set-user-ID one relies on success
/// @throws SysError  seccomp: EACCES (neither of the two), EINVAL (a flag or an instruction that
///         this kernel does not have), ENOMEM (all filters together are longer than 32768), EBUSY
///         (there is a listener already)
std::optional<UniqueFd> install(const Filter& filter);

/// What install() did not: whether the running kernel knows an action. @param action  one of
/// SECCOMP_RET_*. @see \man{seccomp,2}, SECCOMP_GET_ACTION_AVAIL
bool kernel_has_action(std::uint32_t action);

/// What is prepended to a filter, so that calls newer than its policy fail with ENOSYS. Empty where
/// the default action is no error, or ENOSYS already.
/// @throws std::invalid_argument  as compile()
Program stub_for_new_calls(const oci::Seccomp& policy);

}  // namespace tenon::seccomp
