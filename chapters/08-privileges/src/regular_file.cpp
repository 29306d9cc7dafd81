// One open, and the size of what was opened: nobody exchanges the file in between.
#include "regular_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <stdexcept>

#include "tenon/file_syscalls.hpp"
#include "tenon/log.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

std::string read_regular_file(const std::string& path, std::size_t largest, const char* what) {
    // O_NONBLOCK: a FIFO would have us wait for a writer.
    const UniqueFd file = sys::openat(FdRef::working_directory(), path, O_RDONLY | O_NONBLOCK);
    const struct stat found = sys::fstat(file);
    if (!S_ISREG(found.st_mode)) {
        throw std::invalid_argument(fmt::format("{} {} is no regular file", what, printable(path)));
    }
    if (static_cast<std::uint64_t>(found.st_size) > largest) {
        throw std::invalid_argument(fmt::format("{} {} has {} bytes, and {} is the most", what,
                                                printable(path), found.st_size, largest));
    }
    return sys::pread_start(file, static_cast<std::size_t>(found.st_size));
}

}  // namespace tenon
