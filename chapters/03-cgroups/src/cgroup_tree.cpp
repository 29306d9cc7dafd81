// Down and up again with one descriptor: whoever made the groups decided how deep they are. A group
// never moves (cgroupfs has no rename between directories), so `..` is where we came from.
#include "cgroup_tree.hpp"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "tenon/container_group.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
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
    // A folder counts itself twice, and each one in it once: of a container that made no groups,
    // the forty files need not be listed.
    if (sys::fstat(group).st_nlink == 2) return;
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

namespace {

void add_processes(FdRef group, std::set<pid_t>& pids) {
    const std::string text = read_kernel_file(group, "cgroup.procs");
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        pid_t pid = 0;
        at = std::from_chars(at, end, pid).ptr + 1;
        if (pid > 0) pids.insert(pid);
    }
}

bool is_gone(const SysError& error) {
    return error.error() == ENOENT || error.error() == ENODEV;
}

// Invalid where the group is gone. The processes of a threaded one are listed above it.
UniqueFd enter_below(FdRef here, const std::string& name, std::set<pid_t>& pids) {
    try {
        UniqueFd below = sys::openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        add_processes(below, pids);
        return below;
    } catch (const SysError& error) {
        if (!is_gone(error) && error.error() != EOPNOTSUPP) throw;
        return {};
    }
}

// False where the group itself is gone, with all that were in it.
bool add_own_processes(FdRef group, std::set<pid_t>& pids) {
    try {
        add_processes(group, pids);
        return true;
    } catch (const SysError& error) {
        if (!is_gone(error)) throw;
        return false;
    }
}

}  // namespace

std::set<pid_t> processes_below(FdRef group) {
    std::set<pid_t> pids;
    if (!add_own_processes(group, pids)) return pids;
    UniqueFd here = sys::openat(group, ".", O_RDONLY | O_DIRECTORY);
    std::vector<std::vector<std::string>> left{sys::directories_in(here)};  // of each level
    while (true) {
        if (left.back().empty()) {
            left.pop_back();
            if (left.empty()) return pids;
            here = sys::openat(here, "..", O_RDONLY | O_DIRECTORY);
            continue;
        }
        UniqueFd below = enter_below(here, left.back().back(), pids);
        left.back().pop_back();
        if (!below.valid()) continue;
        left.push_back(sys::directories_in(below));
        here = std::move(below);
    }
}

}  // namespace tenon
