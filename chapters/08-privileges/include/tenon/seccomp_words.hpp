/// @file
/// Chapter 08: the words of config.json's seccomp object as libseccomp's numbers.
///
/// Whatever is unknown is refused: a rule that is not understood must not be passed over. A call
/// is the exception, because each kernel brings new ones: see unknown_call().
#pragma once

#include <seccomp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenon/oci_seccomp.hpp"

namespace tenon::seccomp {

/// SECCOMP_RET_*, with its errno or the number that a tracer is told; EPERM where none is given.
/// @throws std::invalid_argument  unknown; an errno for an action that has none; one out of range;
///         not known to the running kernel
std::uint32_t action_from(const std::string& name, std::optional<std::uint32_t> errno_ret);

/// @throws std::invalid_argument  unknown operator; an index over 5
scmp_arg_cmp condition_from(const oci::SeccompArg& argument);

/// libseccomp's tokens: this machine's own first, then the policy's, each once.
/// @throws std::invalid_argument  unknown to this libseccomp
std::vector<std::uint32_t> architectures_of(const oci::Seccomp& policy);

/// What the kernel calls the architecture: AUDIT_ARCH_*. x32 is x86_64 to it.
std::uint32_t audit_arch_of(std::uint32_t token);

/// SECCOMP_FILTER_FLAG_* for seccomp(2). TSYNC is none: there is one thread.
/// @throws std::invalid_argument  unknown; WAIT_KILLABLE_RECV where nothing is notified
unsigned flags_from(const oci::Seccomp& policy);

/// Whether SCMP_ACT_NOTIFY is said anywhere.
bool notifies(const oci::Seccomp& policy);

/// Whether calls that are newer than a policy with the default action @p fallback fail with ENOSYS:
/// where the default is an error, and another one. Any other lets the call happen, or hands it to
/// somebody who may know it.
bool refuses_new_calls(std::uint32_t fallback);

/// "2.5.4"
std::string libseccomp_version();

/// The name of a call, or nothing. @param audit_arch  AUDIT_ARCH_*
std::optional<std::string> call_name(std::uint32_t audit_arch, std::uint32_t number);

/// The warning about a call that has no number on any architecture here.
std::string unknown_call(const std::string& name);

}  // namespace tenon::seccomp
