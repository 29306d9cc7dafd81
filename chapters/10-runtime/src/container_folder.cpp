// What connects commands that know nothing of each other. Nothing in here outlives the machine's
// next start, so nothing has to reach a disk; but a reader must never find half of it.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tenon/container.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr const char* config_file = "config.json";
constexpr const char* record_file = "state.json";
constexpr const char* unfinished_record = ".state.json";
constexpr std::size_t largest_record = std::size_t{1} << 20;
constexpr std::uint64_t no_links = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

UniqueFd open_folder(FdRef parent, const std::string& name) {
    return sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// --root, which the error has to name: whose it is, who calls us may not know.
UniqueFd open_root(const std::string& path) {
    return sys::openat(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY);
}

[[noreturn]] void refuse_root(const SysError& error, const std::string& path) {
    throw SysError{error.error(), "open --root", path};
}

// A folder in it is some feature's: it holds files, and no further folder.
void remove_name(FdRef folder, const std::string& name) {
    try {
        sys::unlinkat(folder, name, 0);
    } catch (const SysError& error) {
        if (error.error() != EISDIR) throw;
        const UniqueFd below = open_folder(folder, name);
        for (const std::string& file : sys::names_in(below)) sys::unlinkat(below, file, 0);
        sys::unlinkat(folder, name, AT_REMOVEDIR);
    }
}

void write_file(FdRef folder, const char* name, std::string_view text, int flags) {
    const UniqueFd file = sys::openat(folder, name, O_WRONLY | O_CREAT | O_NOFOLLOW | flags, 0600);
    sys::write_all(file, std::as_bytes(std::span{text}), name);
}

// Whoever else could have written it decides what we kill and remove. Its size, if nobody could.
std::size_t trusted_size(FdRef file) {
    const struct stat found = sys::fstat(file);
    const bool plain = S_ISREG(found.st_mode) && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!plain || (found.st_uid != ::geteuid() && found.st_uid != 0)) {
        throw std::invalid_argument("state.json: it is not ours, or others may write to it");
    }
    const auto size = static_cast<std::size_t>(found.st_size);
    if (size > largest_record) throw std::invalid_argument("state.json: more than 1 MiB");
    return size;
}

std::optional<UniqueFd> open_if_present(FdRef folder, const char* name) {
    try {
        return sys::openat2(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, no_links);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return std::nullopt;
    }
}

}  // namespace

ContainerRoot ContainerRoot::make(const std::string& path) {
    if (std::optional<ContainerRoot> there = open(path)) return std::move(*there);
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), error);
    try {
        // Sticky: below XDG_RUNTIME_DIR what is six hours old and not so marked may be removed.
        sys::mkdirat(FdRef::working_directory(), path, S_ISVTX | 0700);
    } catch (const SysError& e) {
        if (e.error() != EEXIST) refuse_root(e, path);
    }
    return ContainerRoot{open_root(path)};
}

std::optional<ContainerRoot> ContainerRoot::open(const std::string& path) {
    try {
        return ContainerRoot{open_root(path)};
    } catch (const SysError& error) {
        if (error.error() != ENOENT) refuse_root(error, path);
        return std::nullopt;
    }
}

std::vector<std::string> ContainerRoot::ids() const {
    return sys::names_in(directory_);
}

ContainerFolder ContainerFolder::make(const ContainerRoot& root, const std::string& id) {
    const trace::Step step{10, "make the container's folder", "its name is taken from here on"};
    check_id(id);
    try {
        sys::mkdirat(root.directory(), id, 0700);
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
        throw ContainerError("container with given ID already exists");
    }
    return {sys::duplicate(root.directory()), open_folder(root.directory(), id), id};
}

ContainerFolder ContainerFolder::open(const ContainerRoot& root, const std::string& id) {
    check_id(id);
    try {
        return {sys::duplicate(root.directory()), open_folder(root.directory(), id), id};
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        throw NoContainer();
    }
}

// By its number, which nobody else has while it is open.
bool ContainerFolder::is_there() const {
    const std::optional<struct stat> named = sys::fstatat_if_present(parent_, id_);
    const struct stat ours = sys::fstat(directory_);
    return named && named->st_dev == ours.st_dev && named->st_ino == ours.st_ino;
}

FileLock ContainerFolder::lock() const {
    // An open of its own: locks are of the open file, and a child inherits ours. flock(2)
    FileLock lock = FileLock::on(open_folder(directory_, "."), id_);
    if (!is_there()) throw NoContainer();
    return lock;
}

void ContainerFolder::write_config(std::string_view config) const {
    write_file(directory_, config_file, config, O_EXCL);
}

std::string ContainerFolder::read_config() const {
    return oci::read_config(directory_);
}

void ContainerFolder::write_record(const ContainerRecord& record) const {
    const std::string text = record_text(record);
    // Nobody would read it any more, and so nobody remove the container.
    if (text.size() > largest_record) {
        throw std::invalid_argument("/annotations: state.json would have more than 1 MiB");
    }
    write_file(directory_, unfinished_record, text, O_TRUNC);
    sys::renameat(directory_, unfinished_record, directory_, record_file);
}

std::optional<ContainerRecord> ContainerFolder::read_record() const {
    const std::optional<UniqueFd> file = open_if_present(directory_, record_file);
    if (!file) return std::nullopt;
    return parse_record(sys::pread_start(*file, trusted_size(*file)), id_);
}

void ContainerFolder::remove() const {
    if (!is_there()) return;
    for (const std::string& name : sys::names_in(directory_)) remove_name(directory_, name);
    sys::unlinkat(parent_, id_, AT_REMOVEDIR);
}

}  // namespace tenon
