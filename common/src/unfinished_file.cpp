// The lock is what tells a file that somebody writes from one that somebody was killed over.
#include "tenon/unfinished_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <random>
#include <span>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon {

namespace {

constexpr std::string_view prefix = ".tenon-";

std::string new_name() {
    std::random_device random;
    return fmt::format("{}{:08x}{:08x}", prefix, random(), random());
}

}  // namespace

UnfinishedFile UnfinishedFile::make(FdRef directory, mode_t mode) {
    while (true) {
        std::string name = new_name();
        // Nothing: a sweep came between its making and its locking, and removes it.
        std::optional<FileLock> lock = FileLock::try_now(directory, name, mode);
        if (lock) return {directory, std::move(name), std::move(*lock)};
    }
}

UnfinishedFile::UnfinishedFile(UnfinishedFile&& other) noexcept
    : directory_(other.directory_),
      name_(std::exchange(other.name_, {})),
      lock_(std::move(other.lock_)) {}

UnfinishedFile::~UnfinishedFile() {
    if (name_.empty()) return;
    try {
        sys::unlinkat(directory_, name_, 0);
    } catch (const SysError&) {
        // Another error is on its way up, and a sweep comes some day.
    }
}

void UnfinishedFile::publish(const std::string& name) {
    sys::fsync(file(), name);
    sys::renameat(directory_, name_, directory_, name);
    name_.clear();
}

void sweep_unfinished(FdRef directory) {
    for (const std::string& name : sys::names_in(directory)) {
        if (!name.starts_with(prefix)) continue;
        const std::optional<FileLock> lock = FileLock::try_now(directory, name);
        if (lock) remove_file(directory, name);
    }
}

void replace_file(FdRef directory, const std::string& name, std::string_view content, mode_t mode) {
    try {
        UnfinishedFile file = UnfinishedFile::make(directory, mode);
        sys::write_all(file.file(), std::as_bytes(std::span{content}), name);
        file.publish(name);
    } catch (const SysError& error) {
        throw SysError(error.error(), error.call(), name);  // and not the name that nobody knows
    }
}

void remove_file(FdRef directory, const std::string& name) {
    try {
        sys::unlinkat(directory, name, 0);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
    }
}

}  // namespace tenon
