/// @file
/// Thin wrappers over the system calls that say what a process may do. Same rules as syscalls.hpp.
#pragma once

#include <cstdint>
#include <optional>

namespace tenon::sys {

/// The three sets that capget and capset know; bit N is capability N.
struct CapabilityBits {
    std::uint64_t effective = 0;
    std::uint64_t permitted = 0;
    std::uint64_t inheritable = 0;
};

/// Those of this thread. @see \man{capget,2}
CapabilityBits capget();
/// @throws SysError  capset: EPERM (permitted raised; effective beyond permitted; inheritable
///         beyond permitted and bounding)
void capset(const CapabilityBits& bits);

/// Whether the bounding set has @p capability; nothing when the kernel does not know it.
/// @see \man{prctl,2}, PR_CAPBSET_READ
std::optional<bool> capbset_read(int capability);
/// @throws SysError  prctl: EPERM without CAP_SETPCAP, EINVAL for a capability unknown to the
///         kernel. @see \man{prctl,2}, PR_CAPBSET_DROP
void capbset_drop(int capability);

/// Whether the ambient set has @p capability. @see \man{prctl,2}, PR_CAP_AMBIENT
bool ambient_is_set(int capability);
/// @throws SysError  prctl: EPERM when it is not both permitted and inheritable
void ambient_raise(int capability);
void ambient_clear_all();

/// Whether the permitted set outlives the step from uid 0 to others. Forgotten by execve.
/// @throws SysError  prctl: EPERM when securebits lock it. @see \man{prctl,2}, PR_SET_KEEPCAPS
void set_keepcaps(bool keep);
/// @see \man{prctl,2}, PR_SET_NO_NEW_PRIVS
void set_no_new_privs();

}  // namespace tenon::sys
