// A cgroup namespace has a root: the group that its maker is in at that moment. Made by clone3,
// that is the container's group only where the kernel clones into it; a child that is attached
// later would see itself outside its own root, as `0::/../name`. Made by the child once it is
// there, it is right in both cases. One that is joined must wait, too: joined before the clone, it
// hides the group that the child is to be put into (ENOENT, where the hierarchy is mounted with
// nsdelegate). cgroup_namespaces(7)
#include "cgroup_namespace.hpp"

#include <algorithm>
#include <iterator>

#include "tenon/cgroup.hpp"
#include "tenon/container_group.hpp"
#include "tenon/error.hpp"
#include "tenon/spawn_entering_group.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

bool is_cgroup(const JoinNamespace& target) {
    return target.kind == Namespace::Cgroup;
}

void make_cgroup_namespace() {
    const trace::Step step{3, "make the cgroup namespace", "its root is the group we are in now"};
    sys::unshare(static_cast<std::uint64_t>(Namespace::Cgroup));
}

}  // namespace

CloneArgs without_cgroup_namespace(const CloneArgs& args) {
    CloneArgs rest = args;
    rest.create = {};
    for (const Namespace kind : args.create) {
        if (kind != Namespace::Cgroup) rest.create.insert(kind);
    }
    std::erase_if(rest.join, is_cgroup);
    return rest;
}

ChildMain with_cgroup_namespace_first(const CloneArgs& args, const ChildMain& child_main) {
    std::vector<JoinNamespace> join;
    std::copy_if(args.join.begin(), args.join.end(), std::back_inserter(join), is_cgroup);
    const bool create = args.create.contains(Namespace::Cgroup);
    return [join, create, child_main](SyncSocket& to_parent) {
        if (create) make_cgroup_namespace();
        if (!join.empty()) enter_namespaces(join);
        return child_main(to_parent);
    };
}

Child spawn_and_place(const CloneArgs& args, const ChildMain& child_main,
                      const PrepareChild& place) {
    CloneArgs waiting = without_cgroup_namespace(args);
    waiting.prepare = [&](const Child& child) {
        place(child);
        if (args.prepare) args.prepare(child);
    };
    return spawn(waiting, with_cgroup_namespace_first(args, child_main));
}

Child spawn_entering_in_cgroup(FdRef group, const CloneArgs& args, const ChildMain& child_main) {
    CloneArgs inside = without_cgroup_namespace(args);
    inside.into_cgroup = group;
    try {
        return spawn_entering(inside, with_cgroup_namespace_first(args, child_main));
    } catch (const SysError& error) {
        if (error.call() != "clone3") throw;
        return spawn_in_cgroup(group, args, child_main);
    }
}

}  // namespace tenon
