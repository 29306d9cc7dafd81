// The parts of apply_mounts() that are given. Internal to chapter 02.
#pragma once

#include "tenon/rootfs.hpp"

namespace tenon {

// Makes `contents` inside the detached file system `mount`.
void fill_detached_mount(FdRef mount, const std::vector<TreeEntry>& contents);

// Opens the tree that a Bind step speaks of: its own descriptor, or a clone of its source.
UniqueFd clone_source(const MountStep& step);

// Opens `path` inside `root` (O_PATH), or nothing when there is no such thing.
std::optional<UniqueFd> open_if_present(FdRef root, std::string_view path);

// Sets the attributes that go for everything in `tree`, then those of its top, then propagation.
void set_attributes(FdRef tree, const MountAttributes& wanted, std::string_view subject);

// Attaches `tree` at `target` inside `root`, making the target where it is missing. Refuses a
// link in place of /proc, /sys or /dev, and a file on a folder or the reverse.
void attach_inside(FdRef root, FdRef tree, const MountStep& step);

// The two kinds of protection. A target that does not exist needs none. Before the pivot: what
// covers a masked file is the host's /dev/null.
void mask_path(FdRef root, const MountStep& step);
void make_path_readonly(FdRef root, const MountStep& step);

}  // namespace tenon
