// Down and up again with one descriptor: whoever made the groups decided how deep they are. A group
// never moves (cgroupfs has no rename between directories), so `..` is where we came from.
#include "cgroup_tree.hpp"

#include <fcntl.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// False for a group that has groups itself. One that is gone is removed.
bool removed(FdRef parent, const std::string& name) {
    try {
        sys::unlinkat(parent, name, AT_REMOVEDIR);
    } catch (const SysError& error) {
        if (error.error() == EBUSY) return false;
        if (error.error() != ENOENT) throw;
    }
    return true;
}

// Removes what can be removed in `here`; returns the first that has groups itself.
std::optional<std::string> remove_leaves(FdRef here) {
    std::optional<std::string> inner;
    for (const std::string& name : sys::directories_in(here)) {
        if (!removed(here, name) && !inner) inner = name;
    }
    return inner;
}

}  // namespace

void remove_groups_below(FdRef group) {
    UniqueFd here = sys::openat(group, ".", O_RDONLY | O_DIRECTORY);
    std::vector<std::string> way;
    while (true) {
        if (std::optional<std::string> inner = remove_leaves(here)) {
            here = sys::openat(here, *inner, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            way.push_back(std::move(*inner));
        } else if (way.empty()) {
            return;
        } else {
            here = sys::openat(here, "..", O_RDONLY | O_DIRECTORY);
            sys::unlinkat(here, way.back(), AT_REMOVEDIR);
            way.pop_back();
        }
    }
}

}  // namespace tenon
