// Whose part of the tree we may divide. systemd owns the whole of it and gives parts away: it marks
// them by an attribute, and from then on leaves their inside alone. What is beside them it goes on
// managing, and takes controllers away from that it sees no need for.
// https://systemd.io/CGROUP_DELEGATION
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <sstream>
#include <stdexcept>

#include "group_paths.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr const char* leaf = "processes";

bool is_delegated(FdRef root, const std::string& group) {
    const UniqueFd directory = open_group(root, group);
    return sys::fgetxattr(directory, "user.delegate") == "1" ||
           sys::fgetxattr(directory, "trusted.delegate") == "1";
}

UniqueFd make_leaf(FdRef group) {
    try {
        sys::mkdirat(group, leaf, 0755);
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
    }
    return sys::openat(group, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// One that has ended meanwhile needs no place.
void move_if_alive(FdRef group, pid_t pid) {
    try {
        attach_process(group, pid);
    } catch (const SysError& error) {
        if (error.error() != ESRCH) throw;
    }
}

// False when there was nobody to move.
bool move_all(FdRef from, FdRef to) {
    std::istringstream pids{read_kernel_file(from, "cgroup.procs")};
    bool any = false;
    for (pid_t pid = 0; pids >> pid; any = true) move_if_alive(to, pid);
    return any;
}

}  // namespace

std::string delegated_group(const CgroupHierarchy& hierarchy) {
    const trace::Step step{3, "find our place", "whoever was given a group may divide it"};
    if (!hierarchy.own_group) {
        throw std::runtime_error(fmt::format(
            "our own group is out of sight from {}: it shows another part of the hierarchy. Mount "
            "cgroup2 anew in this cgroup namespace, or name a place: --cgroup-path /NAME",
            hierarchy.mount_point));
    }
    const std::string& own = *hierarchy.own_group;
    if (own.empty() || is_delegated(hierarchy.root, own)) return own;
    // Also of `processes`, where an earlier launch put us: its parent is the delegated group.
    return parent_and_name(own).first;
}

void vacate(const CgroupHierarchy& hierarchy, std::string_view group) {
    if (group.empty() || group != hierarchy.own_group) return;
    if (!is_delegated(hierarchy.root, *hierarchy.own_group)) return;
    const trace::Step step{3, "make room", "a group has processes or passes controllers on"};
    const UniqueFd own = open_group(hierarchy.root, std::string{group});
    const UniqueFd processes = make_leaf(own);
    // Whoever forks meanwhile leaves somebody behind: a few rounds, then EBUSY will tell.
    constexpr int rounds = 16;
    for (int round = 0; round < rounds && move_all(own, processes); ++round) {
    }
}

}  // namespace tenon
