// A snapshot is a place to write, on top of layers that nobody writes to. Making one copies
// nothing: two empty folders and a note on which layer is below. That is why a container of a big
// image starts as fast as one of a small image, and why a hundred of them share one copy.
//
// The folder appears under the store's lock, and is locked itself for as long as its process lives:
// so whoever finds it unlocked knows that nobody needs it any more.
#include <fcntl.h>
#include <fmt/format.h>

#include <stdexcept>

#include "snapshot_folders.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/snapshots.hpp"
#include "tenon/trace.hpp"

namespace tenon {

OverlayMount Snapshotter::prepare(const std::string& key, const std::optional<Digest>& parent) {
    const trace::Step step{4, "prepare a snapshot",
                           "a place for changes: the layers stay as they are"};
    check_new_key(*store_, key);
    // BEGIN SOLUTION 04.4
    const FileLock guard = lock_store(*store_);
    check_parent(*store_, parent);
    held_.emplace_back(key, make_snapshot_folder(*store_, key, parent));
    const UniqueFd folder = open_snapshot(*store_, key);
    make_folder(folder, "work", 0700);
    // The root that the container sees has the attributes of this folder, and of no layer's.
    make_upper_folder(*store_, folder, parent);
    return mounts(key);
    // END SOLUTION
}

OverlayMount Snapshotter::view(const std::string& key, const Digest& parent) {
    const trace::Step step{4, "prepare a view", "read-only: no folder for changes at all"};
    check_new_key(*store_, key);
    // BEGIN SOLUTION 04.4
    const FileLock guard = lock_store(*store_);
    check_parent(*store_, parent);
    held_.emplace_back(key, make_snapshot_folder(*store_, key, parent));
    return mounts(key);
    // END SOLUTION
}

OverlayMount Snapshotter::mounts(const std::string& key) const {
    const SnapshotInfo info = require_snapshot(*this, key);
    OverlayMount overlay;
    overlay.directory = store_->directory();
    // BEGIN SOLUTION 04.4
    overlay.lower = lower_folders(*store_, info.parent);
    if (info.kind == SnapshotKind::Active) {
        overlay.upper = info.dir + "/fs";
        overlay.work = info.dir + "/work";
    } else if (overlay.lower.size() == 1) {
        // "at least 2 lowerdir are needed while upperdir nonexistent", says the kernel.
        overlay.lower.emplace_back("empty");
    }
    return overlay;
    // END SOLUTION
}

Layer Snapshotter::commit(const std::string& key, const Digest& diff_id) {
    const trace::Step step{4, "commit the snapshot", "its changes become a layer, without a copy"};
    const SnapshotInfo info = require_snapshot(*this, key);
    if (info.kind == SnapshotKind::View) refuse_view(key);
    share_opaque_marks(changes(key));
    std::optional<Layer> layer;
    // BEGIN SOLUTION 04.4
    {
        const FileLock guard = lock_store(*store_);
        layer = store_->find(chain_id(info.parent, diff_id));
        if (!layer) layer = adopt_layer(*store_, info.parent, diff_id, info.dir + "/fs");
    }
    remove(key);
    // END SOLUTION
    return *layer;
}

void Snapshotter::remove(const std::string& key) {
    const trace::Step step{4, "remove the snapshot",
                           "out of sight in one step, deleted afterwards"};
    // BEGIN SOLUTION 04.4
    {
        const FileLock guard = lock_store(*store_);
        if (stat(key)) move_to_trash(*store_, "snapshots/" + key);
        // Unlocked only now: a sweep between would take it for a dead one's.
        std::erase_if(held_, [&](const auto& held) { return held.first == key; });
    }
    empty_trash(*store_);
    // END SOLUTION
}

}  // namespace tenon
