/// @file
/// Chapter 02, the contract: a root file system that cannot be left.
///
/// In the order in which a child uses them, all in its new mount namespace:
/// open_sources, make_mounts_private, bind_rootfs, apply_mounts, pivot_into. enter_rootfs is all
/// of them.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/mount_plan.hpp"

namespace tenon {

/// Exercise 02.1. Cuts every mount of this namespace off from the one it was copied from: without
/// this, systemd's `shared` default carries each of our mounts back to the host.
/// @throws SysError  mount_setattr: EPERM. @see \man{mount_namespaces,7}, "Shared subtrees"
void make_mounts_private();

/// Exercise 02.2. Opens @p path inside @p root, where an absolute path, `..` or a symbolic link
/// leads no further up than @p root. Magic links (/proc/PID/fd/N) are refused.
/// @param flags  as for open(2); O_CLOEXEC is added
/// @throws SysError  openat2: ENOENT, ELOOP. @see \man{openat2,2}, RESOLVE_IN_ROOT
UniqueFd open_beneath(FdRef root, std::string_view path, int flags);

/// What make_target() creates where nothing is yet.
enum class TargetKind { Directory, File };

/// Opens @p path inside @p root (O_PATH), after making what is missing of it there.
/// Where the last component is a link to nothing, what it points to is made, inside @p root.
/// @throws SysError  openat2, mkdirat, mknodat: ENOTDIR, EROFS; ELOOP for more than 40 links
UniqueFd make_target(FdRef root, std::string_view path, TargetKind kind);

/// Opens the folder @p path of the host (O_PATH). @throws SysError  open rootfs: ENOENT, ENOTDIR
UniqueFd open_rootfs(const std::filesystem::path& path);

/// Exercise 02.4. Covers @p directory with a mount of itself, with all mounts below it, as
/// pivot_root demands, and returns that mount. @param path  where it lies, for error messages
/// @throws SysError  open_tree, move_mount
UniqueFd bind_rootfs(FdRef directory, const std::filesystem::path& path);

/// A plan whose Bind steps have their trees open (MountStep::tree), and the owner of those.
struct OpenedPlan {
    MountPlan plan;
    std::vector<UniqueFd> trees;
};

/// Opens the source of each Bind step of @p plan that has no tree yet.
/// @throws SysError  open_tree: ENOENT, EINVAL; ENODEV for a source that is not step.device
/// @pre before make_mounts_private(), or a bind that asks for `rslave` is a slave of nothing; and
///      before bind_rootfs(), or a folder above the rootfs would bring the container's mounts
OpenedPlan open_sources(const MountPlan& plan);

/// The mount that @p step describes, complete but attached nowhere. Exercise 02.3.
/// @throws SysError  fsopen, fsconfig, fsmount, open_tree, mount_setattr
UniqueFd create_detached_mount(const MountStep& step);

/// Carries out @p plan inside @p root: each mount is made complete while nobody can see it, then
/// attached in one step to a target that is a descriptor, never a path.
/// @throws SysError  of the step that failed; mount: EISDIR, ENOTDIR (a file on a folder, a folder
///         on a file); openat2: ELOOP (/proc, /sys or /dev is a link)
/// @pre before pivot_into(): sources and the cover of masked files are the host's
void apply_mounts(FdRef root, const MountPlan& plan);

/// Exercise 02.4, too. @p root becomes "/", and nothing of the old root is left: no mount, no
/// working directory. @pre root is a mount point in this, private, mount namespace
/// @throws SysError  fchdir, pivot_root, umount2. @see \man{pivot_root,2}, NOTES
void pivot_into(FdRef root);

/// Makes the mount that is to become "/", attached somewhere, in the child's own mount namespace.
using RootMaker = std::function<UniqueFd()>;

/// The first half: everything up to the last mount, while "/" is still the host's.
/// @return the new root
UniqueFd prepare_root(const RootMaker& make_root, const MountPlan& plan);
/// The second half: @p root, read-only if asked, becomes "/".
void change_root(FdRef root, const MountPlan& plan);

/// All of the above, in order, with the root that @p make_root makes: where it comes from is a
/// later chapter's business.
void enter_root(const RootMaker& make_root, const MountPlan& plan);

/// The same with a folder for a root. @param rootfs  a path of the host
void enter_rootfs(const std::filesystem::path& rootfs, const MountPlan& plan);

}  // namespace tenon
