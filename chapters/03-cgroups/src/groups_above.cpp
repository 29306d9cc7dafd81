// Engines name groups such as /docker/ID, and count on the runtime for the whole path. What is made
// for it may serve others as well by the time it is not needed here: rmdir(2) refuses then, EBUSY.
// The last one to go has not made it, perhaps, and has to know that it may be removed: so those
// that were made for a container bear a mark, an attribute of the folder.
#include "tenon/container_group.hpp"

#include <fcntl.h>

#include <cerrno>

#include "group_paths.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

constexpr const char* made_for_containers = "user.tenon.made";

// Without it, the last one of several leaves the group behind.
void mark(FdRef group) {
    try {
        sys::set_xattr(group, made_for_containers, "1");
    } catch (const SysError& error) {
        if (error.error() != EOPNOTSUPP && error.error() != EPERM) throw;
    }
}

}  // namespace

GroupsAbove::GroupsAbove(const CgroupHierarchy& hierarchy, std::string_view path)
    : root_(sys::duplicate(hierarchy.root)) {
    try {
        for (const std::string& group : ancestors_of(path)) {
            if (!group.empty()) make(group);
        }
    } catch (...) {
        remove_made();
        throw;
    }
}

GroupsAbove::~GroupsAbove() {
    remove_made();
}

void GroupsAbove::make(const std::string& group) {
    try {
        const auto [above, name] = parent_and_name(group);
        sys::mkdirat(open_group(root_, above), name, 0755);
        made_.push_back(group);
        mark(open_group(root_, group));
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw SysError(error.error(), "create cgroup", shown(group));
        if (is_made_for_containers(root_, group)) made_.push_back(group);
    }
}

bool is_made_for_containers(FdRef root, const std::string& group) {
    try {
        return sys::fgetxattr(open_group(root, group), made_for_containers) == "1";
    } catch (const SysError&) {
        return false;  // it is gone
    }
}

namespace {

void remove_one_by_one(FdRef root, std::vector<std::string> groups) noexcept {
    for (; !groups.empty(); groups.pop_back()) {
        try {
            const auto [above, name] = parent_and_name(groups.back());
            sys::unlinkat(open_group(root, above), name, AT_REMOVEDIR);
        } catch (const SysError&) {
            continue;  // somebody else's by now, or gone
        }
    }
}

}  // namespace

void GroupsAbove::remove_made() noexcept {
    remove_one_by_one(root_, std::exchange(made_, {}));
}

void remove_empty_groups(const CgroupHierarchy& hierarchy, const std::vector<std::string>& groups) {
    remove_one_by_one(hierarchy.root, groups);
}

}  // namespace tenon
