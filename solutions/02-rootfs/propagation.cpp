// A new mount namespace begins as a copy, and the copies stay connected: where the host's mounts
// are shared (systemd makes them so), each mount made here would appear there too.
// mount_namespaces(7), "Shared subtrees"
#include <fcntl.h>
#include <sys/mount.h>

#include "tenon/mount_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void make_mounts_private() {
    const trace::Step step{2, "make every mount private", "or our mounts would show on the host"};
    // BEGIN SOLUTION 02.1
    const UniqueFd top = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    // Recursive: propagation is a property of each single mount, not of a tree.
    sys::mount_setattr(top, {.propagation = MS_PRIVATE}, true, "/");
    // END SOLUTION
}

}  // namespace tenon
