// The file may be removed by whoever had the lock before us: then ours is a lock on nothing, and
// the next one would lock a new file of the same name. So look again after the wait.
#include "tenon/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon {

namespace {

bool lock(FdRef file, int operation, std::string_view name) {
    if (::flock(file.number(), operation) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    check(-1, "flock", name);
    return false;
}

bool is_still_there(FdRef directory, const std::string& name, FdRef file) {
    const std::optional<struct stat> there = sys::fstatat_if_present(directory, name);
    const struct stat ours = sys::fstat(file);
    return there && there->st_dev == ours.st_dev && there->st_ino == ours.st_ino;
}

std::optional<UniqueFd> locked(FdRef directory, const std::string& name, int operation,
                               mode_t mode) {
    while (true) {
        UniqueFd file = sys::openat(directory, name, O_RDWR | O_CREAT | O_NOFOLLOW, mode);
        if (!lock(file, operation, name)) return std::nullopt;
        if (is_still_there(directory, name, file)) return file;
    }
}

}  // namespace

FileLock FileLock::wait(FdRef directory, const std::string& name) {
    return FileLock{std::move(*locked(directory, name, LOCK_EX, 0600))};
}

FileLock FileLock::on(UniqueFd open, std::string_view name) {
    lock(open, LOCK_EX, name);
    return FileLock{std::move(open)};
}

void FileLock::release() const {
    lock(file_, LOCK_UN, "unlock");
}

std::optional<FileLock> FileLock::try_now(FdRef directory, const std::string& name, mode_t mode) {
    std::optional<UniqueFd> file = locked(directory, name, LOCK_EX | LOCK_NB, mode);
    if (!file) return std::nullopt;
    return FileLock{std::move(*file)};
}

}  // namespace tenon
