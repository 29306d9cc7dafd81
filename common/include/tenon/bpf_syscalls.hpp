/// @file
/// Thin wrappers over bpf(2), for the one kind of program that decides which devices a group may
/// use. Same rules as syscalls.hpp.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon::sys {

/// Loads @p program as BPF_PROG_TYPE_CGROUP_DEVICE, checked by the kernel.
/// @throws SysError  bpf: EPERM (CAP_BPF), EINVAL, E2BIG. @see \man{bpf,2}
UniqueFd load_device_program(std::span<const bpf_insn> program);
/// From now on @p program decides for @p group, too: whoever forbids, wins.
/// @throws SysError  bpf: EPERM (CAP_NET_ADMIN; or a program above that forbids others)
void attach_device_program(FdRef program, FdRef group);
/// The ids of those that decide for @p group itself, not for one above.
/// @throws SysError  bpf: EPERM, ENOSPC (more than 64)
std::vector<std::uint32_t> device_programs_of(FdRef group);
/// The program @p id decides no more for @p group. One that is gone already is no error.
/// @throws SysError  bpf: EPERM
void detach_device_program(std::uint32_t id, FdRef group);

}  // namespace tenon::sys
