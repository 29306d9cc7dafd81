// Whoever starts outside the group and is moved later has lived without limits for a moment: what
// it allocated, and what it forked, stays with the old group. So the child is born inside.
// clone(2), CLONE_INTO_CGROUP
#include <cerrno>

#include "cgroup_namespace.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// A kernel that does not know the flag says EINVAL, one that does not know so long a clone_args
// E2BIG. Any other error is an answer, not a missing feature.
[[maybe_unused]] bool cannot_clone_into_groups(const SysError& error) {
    return error.call() == "clone3" && (error.error() == EINVAL || error.error() == E2BIG);
}

}  // namespace

void attach_process(FdRef group, pid_t pid) {
    // BEGIN SOLUTION 03.3
    write_kernel_file(group, "cgroup.procs", std::to_string(pid));
    // END SOLUTION
}

Child spawn_in_cgroup(FdRef group, const CloneArgs& args, const ChildMain& child_main) {
    const trace::Step step{3, "start in the group", "a child that is moved later has escaped once"};
    // BEGIN SOLUTION 03.3
    CloneArgs inside = without_cgroup_namespace(args);
    inside.into_cgroup = group;
    try {
        return spawn(inside, with_cgroup_namespace_first(args, child_main));
    } catch (const SysError& error) {
        if (!cannot_clone_into_groups(error)) throw;
        return spawn_and_attach(group, args, child_main);
    }
    // END SOLUTION
}

Child spawn_and_attach(FdRef group, const CloneArgs& args, const ChildMain& child_main) {
    const trace::Step step{3, "attach while it waits", "this kernel cannot clone into a group"};
    // BEGIN SOLUTION 03.3
    CloneArgs waiting = without_cgroup_namespace(args);
    waiting.prepare = [&](const Child& child) {
        attach_process(group, child.pid());
        if (args.prepare) args.prepare(child);
    };
    return spawn(waiting, with_cgroup_namespace_first(args, child_main));
    // END SOLUTION
}

}  // namespace tenon
