/// @file
/// Files of procfs, sysfs and cgroupfs: read whole, written with one write(2).
///
/// Such a file is a message to the kernel: it looks at each write by itself, so a value that
/// arrives in two pieces is two values. They are opened relative to a directory, which tests
/// replace by a plain temporary one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

/// The whole content. @throws SysError  openat, read: ENOENT, EACCES ...
std::string read_kernel_file(FdRef directory, sys::CString path);

/// The whole content, or nothing when the file does not exist. @throws SysError  any other error
std::optional<std::string> read_kernel_file_if_present(FdRef directory, sys::CString path);

/// Writes @p value with exactly one write(2). The file must exist.
/// @throws SysError  openat: ENOENT, EACCES; write: what the kernel thinks of the value, EINVAL,
///         EPERM, EBUSY ...; the subject is `path <- value`
void write_kernel_file(FdRef directory, sys::CString path, std::string_view value);

}  // namespace tenon
