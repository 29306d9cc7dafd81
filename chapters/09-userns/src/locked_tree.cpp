// What the host has mounted read-only or nosuid must stay so for a container's root. The kernel
// locks these flags in one place: where a mount namespace is copied for a user namespace of less
// rights. There it makes slaves of shared mounts, too. A tree that is attached nowhere passes that
// place by. So it is attached, in a mount namespace that nobody else sees, and that one is copied:
// a clone from the copy keeps the locks wherever it goes.
// mount_namespaces(7), "Restrictions on mount namespaces"
#include "locked_tree.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "tenon/mount_syscalls.hpp"
#include "tenon/namespaces.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Every machine has these two, for everybody to walk to; the helper needs nothing of what is below.
const char* place_for(FdRef tree) {
    return S_ISDIR(sys::fstat(tree).st_mode) ? "/proc" : "/dev/null";
}

UniqueFd open_path(const char* path) {
    return sys::openat(FdRef::working_directory(), path, O_PATH);
}

}  // namespace

UniqueFd lock_tree(FdRef tree, FdRef user_namespace, const std::string& subject) {
    CloneArgs args;
    args.create = {Namespace::Mount};
    Child helper = spawn(args, [&](SyncSocket& to_parent) {
        const trace::Step step{9, "lock a mapped mount", "or root inside could make it writable"};
        const char* const place = place_for(tree);
        sys::mount_setattr(open_path("/"), {.propagation = MS_PRIVATE}, true, "/");
        sys::move_mount(tree, open_path(place), subject);
        // Whoever lives in there, with the host's pids in sight, could take our descriptors.
        sys::forbid_inspection();
        sys::setns(user_namespace, CLONE_NEWUSER, "a user namespace");
        sys::unshare(CLONE_NEWNS);
        to_parent.send(SyncKind::Spawned, "tree",
                       sys::open_tree_clone(FdRef::working_directory(), place, true));
        return 0;
    });
    UniqueFd locked = std::move(helper.socket().expect(SyncKind::Spawned).fd);
    helper.wait();
    return locked;
}

}  // namespace tenon
