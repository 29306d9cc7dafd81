// A container in a mount namespace of others: its starter's, or one that it joins by a path.
//
// What it mounts is not for them to see, and pivot_root would move the root of every process there.
// So its root is made in a copy of that namespace, like any container's; a clone of the complete
// root, which is in no namespace at all, then becomes "/" by chroot(2), back in theirs. Nothing was
// mounted there, so there is nothing to take back, whoever is killed when. The price: mount(2) and
// /proc/self/mountinfo know nothing of such a root, and it is left by whoever may enter a mount
// namespace, be it their own. setns(2), "Mount namespaces"
#include <fcntl.h>
#include <sched.h>

#include "child_parts.hpp"
#include "launch_parts.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

UniqueFd open_shared_mounts(const BundlePlan& parts) {
    if (!parts.shared_mounts) return {};
    const std::string& path = parts.shared_mounts->path;
    if (!path.empty()) {
        std::optional<OpenNamespace> theirs = open_namespace(Namespace::Mount, path);
        if (theirs) return std::move(theirs->fd);
    }
    return sys::openat(FdRef::working_directory(), "/proc/self/ns/mnt", O_RDONLY);
}

void copy_shared_mounts(const ChildGround& ground) {
    if (!ground.shared_mounts.valid()) return;
    const trace::Step step{10, "copy the mount namespace", "others live in it: no mount is for it"};
    // Not into the one that we are in: that would change our root, where it is not the namespace's.
    if (!ground.plan.parts.shared_mounts->path.empty()) {
        sys::setns(ground.shared_mounts, CLONE_NEWNS, "mnt");
    }
    sys::unshare(CLONE_NEWNS);
}

void enter_shared_mounts(const ChildGround& ground) {
    if (!ground.shared_mounts.valid()) return;
    const trace::Step step{10, "enter the mount namespace", "with a root that nobody else sees"};
    const UniqueFd root = sys::open_tree_clone(FdRef::working_directory(), "/", true);
    sys::setns(ground.shared_mounts, CLONE_NEWNS, "mnt");
    sys::chroot_to(root, "the container's root");
    // With the descriptor goes the only way to mount in it. open_tree(2), OPEN_TREE_CLONE
}

}  // namespace tenon
