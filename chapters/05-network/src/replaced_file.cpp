// The content reaches the disk before the name does: after a power cut an empty file of the right
// name would be worse than none. fsync(2), rename(2)
#include "replaced_file.hpp"

#include <fcntl.h>

#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon {

void replace_file(FdRef directory, const std::string& name, std::string_view content) {
    const std::string unfinished = "." + name + ".new";
    const UniqueFd file =
        sys::openat(directory, unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    sys::write_all(file, std::as_bytes(std::span{content}), name);
    sys::fsync(file, name);
    sys::renameat(directory, unfinished, directory, name);
}

void remove_file(FdRef directory, const std::string& name) {
    try {
        sys::unlinkat(directory, name, 0);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
    }
}

}  // namespace tenon
