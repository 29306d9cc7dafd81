/// @file
/// Chapter 07: programs of ours that a container sees, and cannot change.
///
/// A process that enters a container is, until it becomes the container's program, ours: its
/// /proc/PID/exe is our binary. CVE-2019-5736: a container whose command was `#!/proc/self/exe`
/// had the runtime run itself inside, and wrote to it through that door, as root. Whoever ran the
/// runtime next ran the container's code. So what runs in there is never the file itself: it is a
/// read-only mount of it that is attached nowhere, or a sealed copy in memory.
#pragma once

#include <span>
#include <string>

#include "tenon/fd.hpp"

namespace tenon {

/// Opens the program @p path so that nobody can write to it through this descriptor, through
/// /proc/PID/exe of who runs it, or through /proc/PID/fd: a read-only clone of its mount that is
/// in no mount namespace; where no mount may be made, a sealed copy in memory.
/// @throws SysError  open_tree, openat: ENOENT; memfd_create
UniqueFd open_unwritable(const std::string& path);

/// Whether nobody can write to @p file by way of this descriptor, now or later.
bool is_unwritable(FdRef file);

/// Whether no container that we could start could write to @p file: we are an ordinary user, it is
/// root's, and only root may write to it. All users of such a container are ours, by the kernel's
/// rule for mappings (and newuidmap's: as long as /etc/subuid does not give us root), and root's
/// files are nobody's in there. @see \man{user_namespaces,7}
bool is_out_of_reach(FdRef file);

/// Makes the running program one of open_unwritable(): it starts again from there, with the same
/// @p arguments, unless it has done so already, or is out of reach. Call it first, while nothing is
/// open.
/// @throws SysError  execve; std::runtime_error  the copy can be written to
void protect_own_binary(std::span<char* const> arguments);

/// Where the running program lies on disk, also after protect_own_binary().
/// @param arguments  of main()
std::string own_program(std::span<char* const> arguments);

}  // namespace tenon
