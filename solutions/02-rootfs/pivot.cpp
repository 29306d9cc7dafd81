// chroot changes where "/" is looked up and leaves the rest: every other directory is still
// there for a process that holds one. pivot_root swaps the mounts themselves, and unmounting the
// old one leaves nothing to go back to. pivot_root(2), NOTES
#include <sys/mount.h>

#include "tenon/mount_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/trace.hpp"

namespace tenon {

UniqueFd bind_rootfs(FdRef directory, const std::filesystem::path& path) {
    const trace::Step step{2, "give the root a mount of its own",
                           "pivot_root takes nothing but a mount point"};
    // BEGIN SOLUTION 02.4
    UniqueFd root = sys::open_tree_clone(directory, "", true);
    sys::move_mount(root, directory, path);
    return root;
    // END SOLUTION
}

void pivot_into(FdRef root) {
    const trace::Step step{2, "swap the root", "chroot could be left again; this cannot"};
    // BEGIN SOLUTION 02.4
    sys::fchdir(root, "the new root");
    // The same directory twice: the old root ends up stacked on the new one, so that no empty
    // directory for it is needed inside the container.
    sys::pivot_root(".", ".");
    // "." begins at the new root and moves up the stack: it is the old root that goes. Detached,
    // because something of the host is always busy in there.
    sys::umount2(".", MNT_DETACH);
    // END SOLUTION
}

}  // namespace tenon
