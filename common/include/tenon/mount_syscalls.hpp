/// @file
/// Thin wrappers over the mount API of descriptors: a mount is an object with a descriptor
/// first, and becomes visible in one step, on a target that is a descriptor too. No string is
/// resolved between the check and the use. Same rules as syscalls.hpp.
///
/// fsopen -> fsconfig* -> fsmount   makes a new file system, attached nowhere
/// open_tree(OPEN_TREE_CLONE)       copies an existing mount (what "bind" means)
/// mount_setattr                    read-only, nosuid ...; propagation
/// move_mount                       attaches
///
/// Needs Linux 5.12 (mount_setattr): older kernels are refused by ENOSYS, with a hint.
#pragma once

#include <sys/mount.h>

#include <cstdint>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

/// A file system to be configured. @throws SysError  fsopen: ENODEV (the kernel does not know
/// it), EPERM. @see \man{fsopen,2}
UniqueFd fsopen(CString fstype);
/// Sets `key=value`. @throws SysError  fsconfig: EINVAL; the subject ends with the kernel's own
/// message where it left one
void fsconfig_string(FdRef context, CString key, CString value);
/// Sets a flag such as `ro`.
void fsconfig_flag(FdRef context, CString key);
/// Creates the superblock. @param fstype  for the error message
void fsconfig_create(FdRef context, CString fstype);
/// A file system that is mounted already, to be changed. @param target  a mount of it
/// @throws SysError  fspick: EPERM. @see \man{fspick,2}
UniqueFd fspick(FdRef target, CString subject);
/// Changes it as configured. @param subject  where it is mounted, for people
void fsconfig_reconfigure(FdRef context, CString subject);
/// The mount itself, detached. @param attributes  MOUNT_ATTR_*
/// @throws SysError  fsmount: EPERM (procfs and sysfs in a user namespace: \man{user_namespaces,7})
UniqueFd fsmount(FdRef context, std::uint64_t attributes, CString fstype);

/// Clones the mount that holds @p path. @param recursive  with all mounts below it
/// @throws SysError  open_tree: ENOENT, EINVAL (unbindable, or a tree of locked mounts asked for
///         without its sub-mounts)
UniqueFd open_tree_clone(FdRef directory, CString path, bool recursive);

/// Attaches the detached @p tree on @p target. @param subject  the target, for people
void move_mount(FdRef tree, FdRef target, CString subject);

/// Which attributes to set and clear. @see \man{mount_setattr,2}
struct MountAttr {
    std::uint64_t set = 0;
    std::uint64_t clear = 0;
    std::uint64_t propagation = 0;  ///< MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE or 0
    FdRef user_namespace;           ///< with MOUNT_ATTR_IDMAP in `set`: whose maps are used
};
/// Changes the mount behind @p tree. @param recursive  and all mounts below it
/// @throws SysError  mount_setattr: EPERM (a user namespace cannot undo what its parent locked);
///         with MOUNT_ATTR_IDMAP: EINVAL (the file system cannot, or the mount is attached), EPERM
void mount_setattr(FdRef tree, const MountAttr& attributes, bool recursive, CString subject);

/// @p new_root becomes "/", what was "/" goes to @p put_old. @throws SysError  pivot_root: EINVAL
/// (not a mount point, or its propagation is shared), EBUSY. @see \man{pivot_root,2}
void pivot_root(CString new_root, CString put_old);
/// The old way, for file systems whose options are one text: made and attached in one call.
/// @param data  at most a page. @throws SysError  mount: EINVAL ... @see \man{mount,2}
void mount(CString source, CString target, CString fstype, unsigned long flags, CString data);
/// @param flags  MNT_DETACH ... @see \man{umount2,2}
void umount2(CString target, int flags);

}  // namespace tenon::sys
