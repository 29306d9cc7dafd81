// The parts of a snapshot's life that are given. Internal to chapter 04.
#pragma once

#include <optional>
#include <string>

#include "store_folders.hpp"
#include "tenon/snapshots.hpp"

namespace tenon {

// @throws std::invalid_argument  no key, or one that is in use
void check_new_key(const LayerStore& store, const std::string& key);
// @throws std::runtime_error  the store has no such layer
void check_parent(const LayerStore& store, const std::optional<Digest>& parent);

// snapshots/KEY with its lock, held, with its mount point and the note of its parent.
// @pre the store is locked
FileLock make_snapshot_folder(const LayerStore& store, const std::string& key,
                              const std::optional<Digest>& parent);
UniqueFd open_snapshot(const LayerStore& store, const std::string& key);
// `fs` in a snapshot: the folder of changes, with the attributes of the parent's root.
void make_upper_folder(const LayerStore& store, FdRef snapshot,
                       const std::optional<Digest>& parent);

// @throws std::runtime_error  there is no such snapshot
SnapshotInfo require_snapshot(const Snapshotter& snapshots, const std::string& key);
[[noreturn]] void refuse_view(const std::string& key);

}  // namespace tenon
