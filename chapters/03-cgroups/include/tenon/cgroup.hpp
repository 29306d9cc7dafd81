/// @file
/// Chapter 03, the contract: a group of processes with limits, on cgroup v2.
///
/// A cgroup is a directory of cgroupfs. Its files are the interface: written to set a limit, read
/// to see what was used. Every function here takes an open directory, so that tests can give it a
/// plain temporary one; CgroupManager composes them.
///
/// Paths of groups are relative to the root of the hierarchy, without a slash at either end;
/// the root itself is the empty text.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/cgroup_limits.hpp"
#include "tenon/cgroup_stats.hpp"
#include "tenon/fd.hpp"
#include "tenon/namespaces.hpp"

namespace tenon {

// ---- where the hierarchy is ----------------------------------------------------------------

/// A cgroup2 mount, and this process's place in it.
struct CgroupMount {
    std::string mount_point;  ///< /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host
    std::string own_group;    ///< path of the caller's group
    /// False when the mount shows only a part of the hierarchy that the caller is not in.
    bool shows_own_group = true;
    bool read_only = false;
};

/// What mountinfo and /proc/self/cgroup say.
struct CgroupMounts {
    std::vector<CgroupMount> unified;  ///< every cgroup2 mount; those that can be used first
    ControllerSet in_v1;               ///< controllers that a v1 hierarchy holds, by their v2 names
};
/// Pure. @param mountinfo  text of /proc/self/mountinfo  @param own  text of /proc/self/cgroup
/// @see \man{proc_pid_mountinfo,5} \man{cgroups,7}, "/proc files"
CgroupMounts find_cgroup_mounts(std::string_view mountinfo, std::string_view own);

/// The hierarchy, open.
struct CgroupHierarchy {
    UniqueFd root;
    std::string mount_point;
    std::optional<std::string> own_group;  ///< nothing: out of sight from this mount
    ControllerSet in_v1;
};
/// @throws std::runtime_error  there is no cgroup2 mount: says what there is, and what to do
CgroupHierarchy open_cgroup_hierarchy();

/// Pure. @throws std::invalid_argument  a path that names no group: empty, or with `.`, `..` or
///         empty names in it
void check_group_path(std::string_view path);

/// The group under which the caller makes new ones: its own, when systemd has delegated it
/// (Delegate=yes); else the parent of its own, because a group with processes gives no controllers
/// to groups below it; the root, when the caller is in it.
/// @throws std::runtime_error  the mount shows another part of the hierarchy than the caller's
/// @see https://systemd.io/CGROUP_DELEGATION
std::string delegated_group(const CgroupHierarchy& hierarchy);

/// Makes @p group free of processes, when it is our own and delegated: all of them move to the
/// group `processes` below it. @throws SysError  mkdirat; write: EACCES
void vacate(const CgroupHierarchy& hierarchy, std::string_view group);

// ---- the exercises -------------------------------------------------------------------------

/// Every group above @p group, the root first: "", "a", "a/b" for `a/b/c`.
std::vector<std::string> ancestors_of(std::string_view group);

/// The words of a file such as cgroup.controllers. @param file  relative to @p root
ControllerSet read_controllers(FdRef root, const std::string& file);

/// Exercise 03.1. Makes the files of @p wanted appear in @p group: a controller reaches a group
/// only when each group above it passes it on (cgroup.subtree_control), from the top down. Groups
/// that pass it on already are not written to: they may be somebody else's.
/// @throws SysError  write: ENOENT (the group does not have that controller itself), EBUSY (it has
///         processes), EOPNOTSUPP (threaded); openat: EACCES. @see \man{cgroups,7}
void enable_controllers(FdRef root, std::string_view group, const ControllerSet& wanted);

/// Exercise 03.2. Writes settings_for(@p limits) into @p group.
/// @throws SysError  openat: ENOENT (no such controller here); write: EINVAL, ERANGE, ENODEV ...
void apply_limits(FdRef group, const CgroupLimits& limits);

/// Moves the process @p pid, with all its threads, into @p group. What it used before stays
/// accounted to its old group.
/// @throws SysError  write: EBUSY (the group passes on controllers), EACCES (no right over the
///         group that both lie in), ESRCH
void attach_process(FdRef group, pid_t pid);

/// Exercise 03.3. spawn(), but the child is in @p group before its first instruction
/// (CLONE_INTO_CGROUP), and its cgroup namespace, if it gets one, is made or joined when it is
/// there: such a namespace begins at the group that its maker is in. Where the kernel cannot clone
/// into a group, the child is attached while it still waits.
/// @throws SysError  as spawn(), and clone3: EAGAIN (pids.max), EBUSY, EACCES
Child spawn_in_cgroup(FdRef group, const CloneArgs& args, const ChildMain& child_main);

/// The fallback of spawn_in_cgroup(): the parent attaches the child before it goes on.
Child spawn_and_attach(FdRef group, const CloneArgs& args, const ChildMain& child_main);

/// A *.pressure file, or nothing where the kernel does not measure it (psi=0 at boot, old kernels).
std::optional<Pressure> read_pressure(FdRef group, const char* file);

/// Exercise 03.4. What @p group has used. @throws SysError  openat, read
CgroupStats read_stats(FdRef group);

/// How long is waited for the kernel to kill, freeze or empty a group.
inline constexpr std::chrono::milliseconds cgroup_patience{10'000};

/// Exercise 03.5. Kills every process in @p group and below, all at once, and waits until none is
/// left. @throws SysError  write, wait for cgroup: ETIMEDOUT (a process that cannot be killed now)
void kill_all(FdRef group);

/// Exercise 03.5, too. Kills what is in the group @p name below @p parent, and removes it with the
/// groups below it. One that is gone already is no error.
/// @throws SysError  wait for cgroup: ETIMEDOUT; unlinkat: EBUSY, EACCES
void remove_cgroup(FdRef parent, const std::string& name);

// ---- events --------------------------------------------------------------------------------

/// Whether there is a process in @p group or below. @throws SysError  openat
bool is_populated(FdRef group);

/// Waits until cgroup.events of @p group says `key value`, without polling: the kernel reports
/// each change of the file. @param key  `populated` or `frozen`
/// @throws SysError  wait for cgroup: ETIMEDOUT; the subject tells what was waited for
void wait_for_event(FdRef group, std::string_view key, bool value,
                    std::chrono::milliseconds timeout = cgroup_patience);

/// Stops every process in @p group and below, and returns when all of them stand still; when that
/// fails, they go on. @throws SysError  write; wait for cgroup: ETIMEDOUT
void freeze(FdRef group);
/// Lets them go on. @throws SysError  write; wait for cgroup: ETIMEDOUT (a group above is frozen)
void thaw(FdRef group);

// ---- all of it -----------------------------------------------------------------------------

/// A group that create() made and this object owns: unless keep() is called, its destructor
/// removes it, with everything that runs in it.
class CgroupManager {
  public:
    /// Makes the group @p path, which must be new, while the one above it must be there; enables
    /// the controllers that @p limits need, and applies them. On an error no group is left; what
    /// groups above pass on stays so.
    /// @throws SysError  create cgroup: EEXIST, ENOENT, EACCES, EROFS; enable controllers: EBUSY,
    ///         EACCES; apply limit; the subject names the group
    /// @throws std::runtime_error  a controller that this machine or the group above does not have;
    ///         a group above that is frozen
    /// @throws std::invalid_argument  a path that is empty or leaves the hierarchy
    static CgroupManager create(const CgroupHierarchy& hierarchy, std::string_view path,
                                const CgroupLimits& limits);

    /// A group that is there already; it stays when this object goes.
    /// @throws SysError  openat2: ENOENT, EXDEV
    static CgroupManager open(const CgroupHierarchy& hierarchy, std::string_view path);

    CgroupManager(CgroupManager&&) = default;
    CgroupManager& operator=(CgroupManager&&) = delete;
    CgroupManager(const CgroupManager&) = delete;
    CgroupManager& operator=(const CgroupManager&) = delete;
    ~CgroupManager();

    [[nodiscard]] FdRef directory() const { return directory_; }
    [[nodiscard]] const std::string& path() const { return path_; }

    /// @throws SysError  apply limit
    void apply(const CgroupLimits& limits) const;
    /// @throws SysError  attach to cgroup
    void attach(pid_t pid) const;
    /// A child in this group, see spawn_in_cgroup().
    [[nodiscard]] Child spawn(const CloneArgs& args, const ChildMain& child_main) const;
    [[nodiscard]] CgroupStats stats() const;
    void freeze() const { tenon::freeze(directory_); }
    void thaw() const { tenon::thaw(directory_); }
    void kill_all() const { tenon::kill_all(directory_); }
    /// Kills what is in it, and removes it. @throws SysError  remove cgroup
    void remove();
    /// Leaves the group where it is.
    void keep() { owned_ = false; }

  private:
    CgroupManager(UniqueFd parent, UniqueFd directory, std::string path, bool owned);

    UniqueFd parent_;
    UniqueFd directory_;
    std::string path_;
    bool owned_;
};

}  // namespace tenon
