// Engines name groups such as /docker/ID, and count on the runtime for the whole path. What is made
// for it may serve others as well by the time it is not needed here: rmdir(2) refuses then, EBUSY.
#include "groups_above.hpp"

#include <fcntl.h>

#include <cerrno>

#include "group_paths.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

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
    } catch (const SysError& error) {
        if (error.error() == EEXIST) return;
        throw SysError(error.error(), "create cgroup", shown(group));
    }
}

void GroupsAbove::remove_made() noexcept {
    for (; !made_.empty(); made_.pop_back()) {
        try {
            const auto [above, name] = parent_and_name(made_.back());
            sys::unlinkat(open_group(root_, above), name, AT_REMOVEDIR);
        } catch (const SysError&) {
            continue;  // somebody else's by now, or gone
        }
    }
}

}  // namespace tenon
