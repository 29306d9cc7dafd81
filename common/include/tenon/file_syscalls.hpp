/// @file
/// Thin wrappers over the calls that make a file what it is besides its name: content, owner,
/// mode, times, extended attributes, further names. Same rules as syscalls.hpp.
///
/// None follows a symbolic link in the last component: a layer's link is an entry like any other.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

/// Reads up to buffer.size() bytes; 0 at the end. Restarts after EINTR. @see \man{read,2}
std::size_t read(FdRef file, std::span<std::byte> buffer, std::string_view subject);
/// All of @p data, by as many calls as it takes. @throws SysError  write: ENOSPC, EDQUOT, EIO,
/// EFBIG
void write_all(FdRef file, std::span<const std::byte> data, std::string_view subject);
/// The same at @p offset: what lies between is a hole. @see \man{pwrite,2}
void pwrite_all(FdRef file, std::span<const std::byte> data, std::uint64_t offset,
                std::string_view subject);
/// Opens once more what @p file, which may be O_PATH, refers to; no name is looked up.
/// @see \man{openat,2}, O_PATH
UniqueFd reopen(FdRef file, int flags);
/// @see \man{ftruncate,2}
void ftruncate(FdRef file, std::uint64_t size, std::string_view subject);
/// Returns when the content is on the disk. @see \man{fsync,2}
void fsync(FdRef file, std::string_view subject);
/// The offset of the next data (SEEK_DATA) or hole (SEEK_HOLE) at or after @p offset; nothing when
/// there is no more data. @see \man{lseek,2}
std::optional<std::uint64_t> seek(FdRef file, std::uint64_t offset, int whence);

/// As openat2(), where it may well be missing: nothing for ENOENT and ENOTDIR.
std::optional<UniqueFd> openat2_if_present(FdRef directory, CString path, int flags,
                                           std::uint64_t resolve);

/// What @p name in @p directory is; a link is itself. @throws SysError  fstatat: ENOENT
struct stat fstatat(FdRef directory, CString name);
/// The same, or nothing when there is no such name. @throws SysError  any other error
std::optional<struct stat> fstatat_if_present(FdRef directory, CString name);
/// Every name in @p directory but . and .., sorted.
std::vector<std::string> names_in(FdRef directory);

/// @see \man{link,2}
void linkat(FdRef old_directory, CString old_name, FdRef new_directory, CString new_name);
/// Replaces what is there. @throws SysError  renameat: EXDEV, ENOTEMPTY, ENOENT. @see
/// \man{rename,2}
void renameat(FdRef old_directory, CString old_name, FdRef new_directory, CString new_name);
/// @see \man{chown,2}
void fchownat(FdRef directory, CString name, uid_t uid, gid_t gid);
/// Sets the time of the last change of content; the one of the last access becomes the same.
/// @see \man{utimensat,2}
void utimensat(FdRef directory, CString name, const timespec& modified);

/// Extended attributes of any kind of file. @param file  may be O_PATH: it is reached through
/// /proc/self/fd, which names the object itself, a link too. @see \man{xattr,7}
/// @throws SysError  setxattr: EOPNOTSUPP (the file system has none of this kind), EPERM
///         (trusted.*, security.* without the capability; user.* of a link or device), ENOSPC
void set_xattr(FdRef file, CString name, std::string_view value);
/// The value; nothing when there is none, or the file system has none of this kind.
std::optional<std::string> get_xattr(FdRef file, CString name);
/// @throws SysError  removexattr: ENODATA, EPERM. @see \man{removexattr,2}
void remove_xattr(FdRef file, CString name);
/// The names, sorted; empty where the file system has none. @see \man{listxattr,2}
std::vector<std::string> list_xattrs(FdRef file);

}  // namespace tenon::sys
