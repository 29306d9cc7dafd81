/// @file
/// Thin wrappers over seccomp(2). Same rules as syscalls.hpp.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

/// Puts @p program before every system call of this thread and its children, for good.
/// @param flags  SECCOMP_FILTER_FLAG_*
/// @return the listener, with SECCOMP_FILTER_FLAG_NEW_LISTENER; else invalid
/// @throws SysError  seccomp: EACCES (neither no_new_privs nor CAP_SYS_ADMIN), EINVAL, ENOMEM,
/// EBUSY
/// @see \man{seccomp,2}, SECCOMP_SET_MODE_FILTER
UniqueFd seccomp_set_filter(std::span<const sock_filter> program, unsigned flags);

/// Whether the kernel knows @p action, one of SECCOMP_RET_*.
/// @throws SysError  seccomp: ENOSYS, EINVAL (before Linux 4.14)
/// @see \man{seccomp,2}, SECCOMP_GET_ACTION_AVAIL
bool seccomp_has_action(std::uint32_t action);

}  // namespace tenon::sys
