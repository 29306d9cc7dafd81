// What lies where in a store, and how it changes whole or not at all. Internal to chapter 04.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tenon/digest.hpp"
#include "tenon/file_lock.hpp"
#include "tenon/layer_store.hpp"

namespace tenon {

// Held while layers, chains and snapshots are looked at and changed; never while something is
// unpacked or deleted.
FileLock lock_store(const LayerStore& store);

// O_RDONLY, never through a link.
UniqueFd open_folder(FdRef parent, const std::string& path);
// With exactly this mode, whatever the umask.
void make_folder(FdRef parent, const std::string& name, mode_t mode);
// The same, where it may be there already.
void make_folder_if_missing(FdRef parent, const std::string& name, mode_t mode);

// A small file of ours, one line. Nothing when it is not there.
void write_line(FdRef folder, const std::string& name, const std::string& line);
std::optional<std::string> read_line(FdRef folder, const std::string& name);
// The digest in such a file; nothing for an empty one, or none.
std::optional<Digest> read_digest(FdRef folder, const std::string& name);

// What becomes visible on top of `from`, as the root of what is stacked there: owner, mode and
// time.
void copy_folder_attributes(FdRef from, FdRef parent, const std::string& name);

// `path` disappears, in one step; empty_trash() deletes it. @pre the store is locked
void move_to_trash(const LayerStore& store, const std::string& path);
// Deletes what anybody moved there. @pre the store is not locked by us
void empty_trash(const LayerStore& store);

// The unpacked layers of a stack, topmost first, relative to the store; `empty` where there is
// none.
std::vector<std::string> lower_folders(const LayerStore& store, const std::optional<Digest>& top);

// Turns the folder `path` into the layer `diff_id` on top of `parent`. @pre the store is locked,
// and has no such layer
Layer adopt_layer(const LayerStore& store, const std::optional<Digest>& parent,
                  const Digest& diff_id, const std::string& path);

// An overlay that was mounted in a user namespace has other opaque marks than one outside: gives
// each opaque folder of `changes` both, so that the layer can be mounted either way.
void share_opaque_marks(FdRef changes);
// Where the overlay was mounted without userxattr, a layer's `user.overlay.opaque` is an xattr like
// any other, and is copied up with its folder, which hides nothing: it goes, before it is believed.
void drop_copied_marks(FdRef changes);

// The numbers in layers/ that some chain id leads to.
std::vector<std::string> linked_layers(FdRef store);
// The lowest number that no name in `folder` has reached.
std::string next_number(FdRef folder);

}  // namespace tenon
