// What a snapshot looks like on disk, and what can be said of it from there.
#include "snapshot_folders.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/log.hpp"

namespace tenon {

namespace {

constexpr std::size_t longest_key = 128;

// It becomes a folder's name, and a part of mount options.
bool is_key(const std::string& key) {
    const auto is_plain = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    };
    return !key.empty() && key.size() <= longest_key &&
           std::all_of(key.begin(), key.end(), is_plain) &&
           std::isalnum(static_cast<unsigned char>(key.front())) != 0;
}

bool has_snapshot(const LayerStore& store, const std::string& key) {
    const UniqueFd snapshots = open_folder(store.directory(), "snapshots");
    return is_key(key) && sys::fstatat_if_present(snapshots, key).has_value();
}

SnapshotInfo read_snapshot(const LayerStore& store, const std::string& key) {
    const UniqueFd folder = open_snapshot(store, key);
    const bool has_upper = sys::fstatat_if_present(folder, "fs").has_value();
    SnapshotInfo info;
    info.key = key;
    info.kind = has_upper ? SnapshotKind::Active : SnapshotKind::View;
    info.parent = read_digest(folder, "parent");
    info.dir = "snapshots/" + key;
    info.in_use = !FileLock::try_now(folder, "lock");
    return info;
}

// The folder may go while we read.
std::optional<SnapshotInfo> read_if_present(const LayerStore& store, const std::string& key) {
    if (!has_snapshot(store, key)) return std::nullopt;
    try {
        return read_snapshot(store, key);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return std::nullopt;
    }
}

}  // namespace

void check_new_key(const LayerStore& store, const std::string& key) {
    if (!is_key(key)) {
        throw std::invalid_argument(fmt::format(
            "'{}' is no key for a snapshot: letters and digits, then also _ . -, at most {}",
            printable(key), longest_key));
    }
    if (has_snapshot(store, key)) {
        throw std::invalid_argument(fmt::format("a snapshot is called {} already", key));
    }
}

void check_parent(const LayerStore& store, const std::optional<Digest>& parent) {
    if (!parent || store.find(*parent)) return;
    throw std::runtime_error(fmt::format("the store has no layer {}", parent->text()));
}

FileLock make_snapshot_folder(const LayerStore& store, const std::string& key,
                              const std::optional<Digest>& parent) {
    const UniqueFd snapshots = open_folder(store.directory(), "snapshots");
    make_folder(snapshots, key, 0700);
    const UniqueFd folder = open_folder(snapshots, key);
    FileLock lock = FileLock::wait(folder, "lock");
    write_line(folder, "parent", parent ? parent->text() : "");
    make_folder(folder, "mount", 0700);
    return lock;
}

UniqueFd open_snapshot(const LayerStore& store, const std::string& key) {
    return open_folder(store.directory(), "snapshots/" + key);
}

void make_upper_folder(const LayerStore& store, FdRef snapshot,
                       const std::optional<Digest>& parent) {
    const std::string top = lower_folders(store, parent).front();
    make_folder(snapshot, "fs", 0755);
    copy_folder_attributes(open_folder(store.directory(), top), snapshot, "fs");
}

SnapshotInfo require_snapshot(const Snapshotter& snapshots, const std::string& key) {
    std::optional<SnapshotInfo> info = snapshots.stat(key);
    if (!info) {
        throw std::runtime_error(fmt::format("there is no snapshot called '{}'", printable(key)));
    }
    return std::move(*info);
}

void refuse_view(const std::string& key) {
    throw std::runtime_error(fmt::format("the snapshot {} is a view: it has no changes", key));
}

std::optional<SnapshotInfo> Snapshotter::stat(const std::string& key) const {
    return read_if_present(*store_, key);
}

std::vector<SnapshotInfo> Snapshotter::list() const {
    std::vector<SnapshotInfo> all;
    for (const std::string& key : sys::names_in(open_folder(store_->directory(), "snapshots"))) {
        if (std::optional<SnapshotInfo> info = stat(key)) all.push_back(std::move(*info));
    }
    return all;
}

std::vector<std::string> Snapshotter::sweep() {
    std::vector<std::string> swept;
    {
        const FileLock guard = lock_store(*store_);
        for (const SnapshotInfo& info : list()) {
            if (info.in_use) continue;
            move_to_trash(*store_, info.dir);
            swept.push_back(info.key);
        }
    }
    empty_trash(*store_);
    return swept;
}

UniqueFd Snapshotter::mount_point(const std::string& key) const {
    require_snapshot(*this, key);
    return sys::openat(open_snapshot(*store_, key), "mount", O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

UniqueFd Snapshotter::changes(const std::string& key) const {
    if (require_snapshot(*this, key).kind == SnapshotKind::View) refuse_view(key);
    return open_folder(open_snapshot(*store_, key), "fs");
}

}  // namespace tenon
