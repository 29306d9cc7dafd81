// The parts of apply_mounts() that are given. Internal to chapter 02.
#pragma once

#include "tenon/rootfs.hpp"

namespace tenon {

// Makes `contents` inside the detached file system `mount`.
void fill_detached_mount(FdRef mount, const std::vector<TreeEntry>& contents);

// Opens the tree that a Bind step speaks of: its own descriptor, or a clone of its source.
UniqueFd clone_source(const MountStep& step);

// A plan whose binds have their trees open, and the owner of those.
struct OpenedPlan {
    MountPlan plan;
    std::vector<UniqueFd> trees;
};

// Opens the source of each Bind step, on the host as it is before any mount of the container.
OpenedPlan open_sources(const MountPlan& plan);

// Sets the attributes of `tree`, then those that go for everything below it, then propagation.
void set_attributes(FdRef tree, const MountAttributes& wanted, std::string_view subject);

// Attaches `tree` at `target` inside `root`, making the target where it is missing.
void attach_inside(FdRef root, FdRef tree, const MountStep& step);

// The two kinds of protection. A target that does not exist needs none.
void mask_path(FdRef root, const MountStep& step);
void make_path_readonly(FdRef root, const MountStep& step);

}  // namespace tenon
