// The groups on the way to a group. Internal to chapter 03.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenon/cgroup.hpp"

namespace tenon {

// Makes the groups above `path` that are not there, and removes those it made in the end, as far as
// nobody else has put a group into them.
class GroupsAbove {
  public:
    GroupsAbove() = default;
    // Throws SysError  create cgroup: EACCES, EROFS
    GroupsAbove(const CgroupHierarchy& hierarchy, std::string_view path);
    GroupsAbove(GroupsAbove&&) = default;
    GroupsAbove& operator=(GroupsAbove&&) = delete;
    GroupsAbove(const GroupsAbove&) = delete;
    GroupsAbove& operator=(const GroupsAbove&) = delete;
    ~GroupsAbove();

  private:
    void make(const std::string& group);
    void remove_made() noexcept;

    UniqueFd root_;
    std::vector<std::string> made_;  // the outer ones first
};

}  // namespace tenon
