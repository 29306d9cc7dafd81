/// @file
/// Chapter 02, the plan: what a container's file system is made of, as data.
///
/// Nothing here makes a system call. What a user asked for becomes a list of steps, which tests
/// read and rootfs.hpp carries out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/namespaces.hpp"

namespace tenon {

/// Attributes of a mount, MOUNT_ATTR_* bits, and its propagation, MS_* or 0. The recursive ones
/// are applied first: what `set` and `clear` say of the top mount holds.
/// @see \man{mount_setattr,2}
struct MountAttributes {
    std::uint64_t set = 0;
    std::uint64_t clear = 0;
    std::uint64_t recursive_set = 0;    ///< also on every mount below: `rro`, `rnosuid` ...
    std::uint64_t recursive_clear = 0;  ///< `rrw`, `rsuid` ...
    std::uint64_t propagation = 0;
    bool recursive_propagation = false;  ///< `rprivate` ...
};

/// Something made inside a new file system before anybody can see it.
struct TreeEntry {
    enum class Kind { Directory, Symlink, CharacterDevice, BlockDevice, Fifo };
    Kind kind;
    std::string name;         ///< relative; the folders on its way are entries of their own
    std::string link_target;  ///< Symlink
    mode_t mode = 0755;       ///< all others
    unsigned major = 0;       ///< CharacterDevice, BlockDevice
    unsigned minor = 0;
    uid_t uid = 0;  ///< all but Symlink
    gid_t gid = 0;
};

/// What a MountStep does.
enum class MountKind {
    Filesystem,    ///< a new instance of `fstype` with options `data` and `contents`
    Bind,          ///< the mount tree at `source` (or `tree`) appears at `target` as well
    Mask,          ///< `target` reads as empty; skipped when it does not exist
    ReadonlyPath,  ///< `target` and all below becomes read-only; skipped when it does not exist
    Remount,       ///< the mount that is at `target` already is given `attributes`, and its file
                   ///< system `data`
    Nodes,         ///< `contents` in the folder `target`, as far as they are not there already
};

/// One mount. Paths in `target` are the container's: relative to its root, whatever they contain.
struct MountStep {
    MountKind kind;
    std::string source;  ///< Bind: a path of the host; Filesystem: its device, or any name
    std::string target;
    std::string fstype;             ///< Filesystem: proc, sysfs, tmpfs, devpts, mqueue ...
    std::vector<std::string> data;  ///< Filesystem: its options, `mode=755`
    MountAttributes attributes;
    bool recursive = false;           ///< Bind: with the mounts below source
    std::optional<FdRef> tree;        ///< Bind: a detached tree opened before, instead of source
    std::optional<dev_t> device;      ///< Bind: source must be this device
    mode_t device_format = 0020000;   ///< Bind: of that kind, S_IFCHR or S_IFBLK
    std::vector<TreeEntry> contents;  ///< Filesystem: made before it is attached
    bool copy_up = false;             ///< Filesystem: begins with what `target` holds
    std::string origin;               ///< who asked for it, for error messages: `/mounts/3`
};

/// All mounts of one container.
struct MountPlan {
    std::vector<MountStep> steps;  ///< carried out in this order
    /// Moved over "/" instead of by pivot_root, which a ramdisk's root cannot be left by. Whoever
    /// may unmount in the container finds the ramdisk behind its root.
    bool moved_root = false;
    bool readonly_root = false;          ///< the root itself, not the mounts in it
    std::uint64_t root_propagation = 0;  ///< of the root in the end, MS_*; 0: private
    bool recursive_root_propagation = false;
};

/// Where the container's mounts will be made: what decides which of them the kernel allows.
struct MountContext {
    NamespaceSet created;                   ///< new for the container
    NamespaceSet joined;                    ///< another process's
    bool in_initial_user_namespace = true;  ///< whoever launches; \man{user_namespaces,7}
};

/// null zero full random urandom tty, writable by everybody.
/// @see runtime-spec config-linux.md, "Default Devices"
std::vector<TreeEntry> default_devices();
/// fd stdin stdout stderr, and ptmx: the one of the container's own devpts.
std::vector<TreeEntry> default_device_links();
/// For a user namespace, where device nodes cannot be made: the host's own at the same path.
/// @param path  absolute, of the host and of the container
MountStep bound_device(const TreeEntry& device, const std::string& path);

/// The mounts every container has: proc, sysfs (read-only), a tmpfs /dev with the OCI default
/// devices and links, devpts (new instance), shm, mqueue; then the masked and read-only paths.
///
/// procfs, sysfs and mqueue show a pid, network and IPC namespace. One that is the container's
/// own, new or joined, is shown by a new instance. One that is shared with the host is, too, for
/// real root; in a user namespace the kernel refuses that, so the host's /proc or /sys is bound
/// read-only and mqueue left out. Device nodes can be made by real root only, or are bound.
/// @param requested  the user's own mounts: after the default ones, before the protected paths
/// @throws std::invalid_argument  pid or network namespace joined under a new user namespace, which
///         does not own it: mounting is refused there, and a bind would show the host's
/// @see runtime-spec config-linux.md, "Default Filesystems", "Default Devices"
MountPlan default_mount_plan(const MountContext& context, std::vector<MountStep> requested = {});

/// What a list such as `ro,nosuid,rbind,rslave,size=64m` says.
struct MountOptions {
    MountAttributes attributes;
    bool bind = false;
    bool recursive_bind = false;
    std::vector<std::string> data;  ///< what is no mount option: the file system's own
};

/// Reads mount options as mount(8) and config.json spell them; a later one overrides an earlier.
/// @throws std::invalid_argument  an empty option; its text says which
MountOptions parse_mount_options(std::string_view list);

/// Reads `SRC:DST[:options]` of --bind. Binds recursively unless the options say `bind`.
/// @throws std::invalid_argument  no DST, a relative DST, an option that bind mounts do not have
MountStep parse_bind(std::string_view text);

/// Reads `DST[:options]` of --tmpfs (nosuid, nodev, mode=1777 unless said otherwise).
/// @throws std::invalid_argument  as parse_bind
MountStep parse_tmpfs(std::string_view text);

}  // namespace tenon
