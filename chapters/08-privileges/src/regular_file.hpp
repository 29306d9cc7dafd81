// Files that people name on the command line.
#pragma once

#include <cstddef>
#include <string>

namespace tenon {

/// What is in the file at @p path. Neither a device without an end nor a FIFO without a writer is
/// waited for. @param what  what it should be, for people
/// @throws SysError  openat, pread; std::invalid_argument  no regular file, or more than @p largest
std::string read_regular_file(const std::string& path, std::size_t largest, const char* what);

}  // namespace tenon
