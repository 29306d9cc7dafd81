/// @file
/// Thin wrappers over the calls that run a program by a descriptor, from where nobody can change
/// it. Same rules as syscalls.hpp.
#pragma once

#include <cstdint>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

/// Becomes the program behind @p file; no name is looked up. Returns only by throwing.
/// @throws SysError  execve: EACCES (noexec), ENOEXEC ... @see \man{execveat,2}, AT_EMPTY_PATH
[[noreturn]] void execveat(FdRef file, char* const* argv, char* const* envp, CString subject);

/// A file in memory that can be executed and sealed. @see \man{memfd_create,2}
UniqueFd memfd_create(CString name);
/// @param seals  F_SEAL_*; none can be taken off again. @see \man{fcntl,2}, "File sealing"
void add_seals(FdRef memory, int seals);
/// The seals of @p file; 0 for one that cannot have any.
int seals_of(FdRef file);
/// Whether the mount or the file system that holds @p file is read-only. @see \man{statvfs,3}
bool on_read_only_mount(FdRef file);
/// Whether @p file is all of a mount that is attached nowhere: no path leads to it, and nobody can
/// change how it is mounted.
bool on_detached_mount(FdRef file);
/// Whether the caller, by its effective ids, may open @p file for writing by this descriptor.
/// @see \man{faccessat,2}, W_OK
bool may_write(FdRef file);

/// @p file is not closed by the next execve: the program that follows has it under its number.
/// @see \man{fcntl,2}, F_SETFD
void keep_over_exec(FdRef file);

/// Whether it is open, and for writing. @see \man{fcntl,2}, F_GETFL
bool can_be_written(FdRef file);

/// @p directory becomes the caller's "/". @see \man{chroot,2}
void chroot_to(FdRef directory, CString subject);
/// The caller's name for its threads: what /proc/PID/comm says. @see \man{prctl,2}, PR_SET_NAME
void set_process_name(CString name);

}  // namespace tenon::sys
