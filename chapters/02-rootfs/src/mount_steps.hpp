// The parts of apply_mounts() that are given. Internal to chapter 02.
#pragma once

#include "tenon/error.hpp"
#include "tenon/rootfs.hpp"

namespace tenon {

// Runs `body`; the error of a step that somebody asked for in a file says where in it.
template <typename Body>
auto telling_origin(const MountStep& step, const Body& body) {
    try {
        return body();
    } catch (const SysError& error) {
        if (step.origin.empty()) throw;
        const std::string subject = error.subject().empty() ? "" : error.subject() + " ";
        throw SysError(error.error(), error.call(), subject + "(" + step.origin + ")");
    }
}

// Makes `contents` inside the detached file system `mount`, which nobody else can reach.
void fill_detached_mount(FdRef mount, const std::vector<TreeEntry>& contents);

// As create_detached_mount(), with a copy of all that `root` has at the step's target.
// Throws SysError  what the copy meets: ENOSPC, EPERM (a device node, in a user namespace)
UniqueFd create_copied_up(FdRef root, const MountStep& step);

// Hands `key=value` and `flag` options to a file system that is being made or changed.
void configure_filesystem(FdRef context, const std::vector<std::string>& data);

// Opens the tree that a Bind step speaks of: its own descriptor, or a clone of its source.
UniqueFd clone_source(const MountStep& step);

// Opens `path` inside `root` (O_PATH), or nothing when there is no such thing.
std::optional<UniqueFd> open_if_present(FdRef root, std::string_view path);

// Sets the attributes that go for everything in `tree`, then those of its top, then propagation.
void set_attributes(FdRef tree, const MountAttributes& wanted, std::string_view subject);

// Opens `target` inside `root`, made where it is missing. Refuses a link in place of /proc, /sys or
// /dev.
UniqueFd open_target(FdRef root, const std::string& target, TargetKind kind);

// Attaches `tree` at `target` inside `root`, making the target where it is missing. Refuses what
// open_target() does, a file on a folder or the reverse, and to cover what procfs shows.
void attach_inside(FdRef root, FdRef tree, const MountStep& step);

// What has covered a path already, and can cover more: a mount of the container's.
struct Covers {
    UniqueFd folder;
    UniqueFd file;
};

// The two kinds of protection. A target that does not exist needs none. Before the pivot: what
// covers a masked file is the host's /dev/null.
void mask_path(FdRef root, const MountStep& step, Covers& covers);
void make_path_readonly(FdRef root, const MountStep& step);

// Changes a mount that is there, and its file system where there are `data`.
void change_mount(FdRef root, const MountStep& step);

// Makes nodes in a folder that is there. What has such a name already must be that node.
void make_nodes(FdRef root, const MountStep& step);

// `root` becomes "/" as switch_root(8) does it: moved over the old one, of which every mount that
// can go has gone. Throws SysError  umount2: EINVAL (of a parent's user namespace)
void move_over_root(FdRef root);

}  // namespace tenon
