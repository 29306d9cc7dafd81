/// @file
/// Chapter 03: the group of one container, with the groups that its path needs.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/cgroup.hpp"
#include "tenon/cgroup_options.hpp"

namespace tenon {

/// Makes the groups above a path that are not there, and removes in the end those that were made
/// for containers, this one or others, as far as nobody else has put a group into them.
class GroupsAbove {
  public:
    GroupsAbove() = default;
    /// @throws SysError  create cgroup: EACCES, EROFS
    GroupsAbove(const CgroupHierarchy& hierarchy, std::string_view path);
    GroupsAbove(GroupsAbove&&) = default;
    GroupsAbove& operator=(GroupsAbove&&) = delete;
    GroupsAbove(const GroupsAbove&) = delete;
    GroupsAbove& operator=(const GroupsAbove&) = delete;
    ~GroupsAbove();

    /// Those that it may remove, the outer ones first.
    [[nodiscard]] const std::vector<std::string>& made() const { return made_; }
    /// Leaves them where they are. @return made()
    std::vector<std::string> keep() { return std::exchange(made_, {}); }

  private:
    void make(const std::string& group);
    void remove_made() noexcept;

    UniqueFd root_;
    std::vector<std::string> made_;
};

/// Removed from below: the group first.
struct MadeGroup {
    GroupsAbove above;
    CgroupManager group;
};

/// The group that @p options ask for, with its limits. The caller owns it.
/// @throws as CgroupManager::create() and GroupsAbove
MadeGroup make_group(const CgroupHierarchy& hierarchy, const CgroupOptions& options);

/// The place of that group, relative to the hierarchy's root: where it says none, beside the
/// caller's own, which is vacated if it has to be.
std::string place_for_group(const CgroupHierarchy& hierarchy, const CgroupOptions& options);

/// spawn(), for a child that somebody else puts into a group: @p place does that while it waits,
/// before anything else is done for it. Its cgroup namespace is made or joined when it is there.
/// @throws SysError  as spawn(), and what @p place throws
Child spawn_and_place(const CloneArgs& args, const ChildMain& child_main,
                      const PrepareChild& place);

/// Every process in @p group and in those below it: a container may make some. They come and go
/// meanwhile; in a group that is gone there are none.
/// @throws SysError  read: EOPNOTSUPP (the group is threaded)
std::set<pid_t> processes_below(FdRef group);

/// Whether there is such a group, and it was made for a container's path.
bool is_made_for_containers(FdRef root, const std::string& group);

/// Removes @p groups, the last one first, as far as they are empty: what GroupsAbove made for a
/// container whose maker has ended.
void remove_empty_groups(const CgroupHierarchy& hierarchy, const std::vector<std::string>& groups);

}  // namespace tenon
