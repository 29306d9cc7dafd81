// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// chroot changes where "/" is looked up and leaves the rest: every other directory is still
// there for a process that holds one. pivot_root swaps the mounts themselves, and unmounting the
// old one leaves nothing to go back to. pivot_root(2), NOTES
#include <sys/mount.h>

#include "tenon/mount_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/trace.hpp"
#include "tenon/todo.hpp"

namespace tenon {

UniqueFd bind_rootfs(FdRef directory, const std::filesystem::path& path) {
    const trace::Step step{2, "give the root a mount of its own",
                           "pivot_root takes nothing but a mount point"};
    // TASK 02.4  pivot_root leaves no way back  (30 points)
    // man: pivot_root(2), umount(2), chroot(2)
    // hint: pivot_root swaps two mounts. So the new root must be a mount, and afterwards the old
    //   one must go.
    // more: ./course hint 02.4
    TENON_TODO("02.4");
}

void pivot_into(FdRef root) {
    const trace::Step step{2, "swap the root", "chroot could be left again; this cannot"};
    // TASK 02.4, continued
    TENON_TODO("02.4");
}

}  // namespace tenon
