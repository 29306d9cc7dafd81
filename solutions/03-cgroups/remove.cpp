// A group goes when it is empty: no processes, no groups below. Killing by pid races with fork: a
// process found in cgroup.procs has a child before the signal arrives. cgroup.kill is one write
// that reaches all of them, also those being born. cgroup-v2.rst, "Core Interface Files"
#include <fcntl.h>

#include <cerrno>

#include "cgroup_tree.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Invalid when somebody else has removed it.
[[maybe_unused]] UniqueFd open_if_present(FdRef parent, const std::string& name) {
    try {
        return sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return {};
    }
}

}  // namespace

void kill_all(FdRef group) {
    const trace::Step step{3, "kill the group", "one write; by pid, a fork would be faster"};
    // BEGIN SOLUTION 03.5
    write_kernel_file(group, "cgroup.kill", "1");
    wait_for_event(group, "populated", false);
    // END SOLUTION
}

void remove_cgroup(FdRef parent, const std::string& name) {
    const trace::Step step{3, "remove the group", "or each container would leave one behind"};
    // BEGIN SOLUTION 03.5
    const UniqueFd group = open_if_present(parent, name);
    if (!group.valid()) return;
    if (is_populated(group)) kill_all(group);
    // Those that the container made in its own: rmdir refuses a group that has some.
    remove_groups_below(group);
    sys::unlinkat(parent, name, AT_REMOVEDIR);
    // END SOLUTION
}

}  // namespace tenon
