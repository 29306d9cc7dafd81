// Everything in a store appears by one rename(2) or symlink(2), after what it leads to is complete,
// and disappears by one rename(2) into trash/, whatever its size. So a process that is killed in
// the middle leaves something that nothing leads to, and no half truth.
#include "store_folders.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/whiteout.hpp"
#include "tree_removal.hpp"

namespace tenon {

namespace {

// rename(2) of a folder writes `..` in it, which takes its owner's right to do so: an image's root
// may be 0555. Root is not asked. @return the mode that it had
mode_t move_folder(FdRef from, const std::string& path, FdRef to, const std::string& name) {
    const mode_t mode = sys::fstatat(from, path).st_mode & 07777U;
    if ((mode & S_IWUSR) == 0) sys::fchmodat(from, path, mode | S_IWUSR);
    sys::renameat(from, path, to, name);
    return mode;
}

}  // namespace

FileLock lock_store(const LayerStore& store) {
    return FileLock::wait(store.directory(), "lock");
}

UniqueFd open_folder(FdRef parent, const std::string& path) {
    return sys::openat2(parent, path, O_RDONLY | O_DIRECTORY,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

void make_folder(FdRef parent, const std::string& name, mode_t mode) {
    sys::mkdirat(parent, name, mode);
    sys::fchmodat(parent, name, mode);
}

void make_folder_if_missing(FdRef parent, const std::string& name, mode_t mode) {
    try {
        make_folder(parent, name, mode);
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
    }
}

void write_line(FdRef folder, const std::string& name, const std::string& line) {
    const UniqueFd file = sys::openat(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!line.empty()) sys::write_once(file, line, name);
}

std::optional<std::string> read_line(FdRef folder, const std::string& name) {
    constexpr std::size_t longest = 256;
    if (!sys::fstatat_if_present(folder, name)) return std::nullopt;
    const UniqueFd file = sys::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    return sys::pread_start(file, longest);
}

std::optional<Digest> read_digest(FdRef folder, const std::string& name) {
    const std::optional<std::string> line = read_line(folder, name);
    if (!line || line->empty()) return std::nullopt;
    return Digest::parse(*line);
}

void copy_folder_attributes(FdRef from, FdRef parent, const std::string& name) {
    const struct stat status = sys::fstat(from);
    const struct stat now = sys::fstatat(parent, name);
    if (now.st_uid != status.st_uid || now.st_gid != status.st_gid) {
        sys::fchownat(parent, name, status.st_uid, status.st_gid);
    }
    sys::fchmodat(parent, name, status.st_mode & 07777U);  // after chown, which clears setgid
    sys::utimensat(parent, name, status.st_mtim);
}

std::string next_number(FdRef folder) {
    unsigned long highest = 0;
    for (const std::string& name : sys::names_in(folder)) {
        unsigned long number = 0;
        std::from_chars(name.data(), name.data() + name.size(), number);
        highest = std::max(highest, number);
    }
    return std::to_string(highest + 1);
}

void move_to_trash(const LayerStore& store, const std::string& path) {
    const UniqueFd trash = open_folder(store.directory(), "trash");
    move_folder(store.directory(), path, trash, next_number(trash));
}

void empty_trash(const LayerStore& store) {
    const UniqueFd trash = open_folder(store.directory(), "trash");
    for (const std::string& name : sys::names_in(trash)) remove_tree(trash, name);
}

std::vector<std::string> lower_folders(const LayerStore& store, const std::optional<Digest>& top) {
    std::vector<std::string> folders;
    if (!top) return {"empty"};
    for (const Layer& layer : store.chain(*top)) folders.push_back(layer.dir);
    return folders;
}

std::vector<std::string> linked_layers(FdRef store) {
    const UniqueFd chains = open_folder(store, "chains");
    std::vector<std::string> numbers;
    for (const std::string& name : sys::names_in(chains)) {
        numbers.push_back(sys::readlinkat(chains, name));
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

Layer adopt_layer(const LayerStore& store, const std::optional<Digest>& parent,
                  const Digest& diff_id, const std::string& path) {
    const UniqueFd layers = open_folder(store.directory(), "layers");
    const UniqueFd chains = open_folder(store.directory(), "chains");
    const Digest chain = chain_id(parent, diff_id);
    const std::string number = next_number(layers);
    make_folder(layers, number, 0700);
    const UniqueFd folder = open_folder(layers, number);
    write_line(folder, "diff_id", diff_id.text());
    write_line(folder, "parent", parent ? parent->text() : "");
    sys::fchmodat(folder, "fs", move_folder(store.directory(), path, folder, "fs"));
    sys::symlinkat(number, chains, chain.hex);
    return {diff_id, chain, fmt::format("layers/{}/fs", number)};
}

}  // namespace tenon
