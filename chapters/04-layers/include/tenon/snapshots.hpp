/// @file
/// Chapter 04: what containers see of the layers, in containerd's words.
///
///     prepare(parent) --> active snapshot --commit--> layer
///     view(parent)    --> the same, read-only          remove() ends either
///
/// A snapshotter says what is to be mounted and never mounts: the mount belongs into the
/// container's mount namespace, which is somebody else's business.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tenon/digest.hpp"
#include "tenon/file_lock.hpp"
#include "tenon/layer_store.hpp"
#include "tenon/overlay.hpp"

namespace tenon {

/// What a snapshot is made for.
enum class SnapshotKind { Active, View };

/// A snapshot as it lies in the store.
struct SnapshotInfo {
    std::string key;  ///< the caller's name for it
    SnapshotKind kind = SnapshotKind::Active;
    std::optional<Digest> parent;  ///< chain id of its topmost layer
    std::string dir;               ///< relative to the store: snapshots/3
    bool in_use = false;           ///< somebody who lives holds it
};

/// The snapshots of one store. An active one belongs to the process that prepared it: when that is
/// gone, however it ended, sweep() removes it.
/// @see containerd, core/snapshots/snapshotter.go
class Snapshotter {
  public:
    explicit Snapshotter(const LayerStore& store) : store_(&store) {}

    /// Exercise 04.4. A folder of changes on top of @p parent (nothing: on top of nothing).
    /// @param key  [A-Za-z0-9][A-Za-z0-9_.-]*, new in this store
    /// @throws std::invalid_argument  such a key exists or is none; std::runtime_error  no such
    /// parent
    OverlayMount prepare(const std::string& key, const std::optional<Digest>& parent);
    /// Exercise 04.4. What @p parent shows, read-only.
    OverlayMount view(const std::string& key, const Digest& parent);
    /// The mount of a snapshot that exists. @throws std::runtime_error  no such key
    [[nodiscard]] OverlayMount mounts(const std::string& key) const;
    /// Exercise 04.4. The changes become the layer @p diff_id on top of the snapshot's parent; the
    /// snapshot is gone afterwards. When the layer is there already, its changes are dropped.
    /// @pre not mounted any more  @throws std::runtime_error  a view; no such key
    Layer commit(const std::string& key, const Digest& diff_id);
    /// Exercise 04.4. Removes it with its changes. One that is gone already is no error.
    void remove(const std::string& key);

    [[nodiscard]] std::optional<SnapshotInfo> stat(const std::string& key) const;
    [[nodiscard]] std::vector<SnapshotInfo> list() const;
    /// Removes what killed processes left. @return the keys
    std::vector<std::string> sweep();

    /// Where the snapshot may be mounted: an empty folder of its own.
    [[nodiscard]] UniqueFd mount_point(const std::string& key) const;
    /// The folder of changes. @throws std::runtime_error  a view; no such key
    [[nodiscard]] UniqueFd changes(const std::string& key) const;

  private:
    const LayerStore* store_;
    std::vector<std::pair<std::string, FileLock>> held_;
};

}  // namespace tenon
