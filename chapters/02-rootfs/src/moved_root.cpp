// The other way to change the root. The first file system of a machine, a ramdisk that the boot
// loader brought, has no mount below it, and pivot_root(2) does not take it: EINVAL. So the new
// root is put over it. A chroot alone would leave all mounts of the host behind, one `..` away.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>

#include "mount_steps.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/mountinfo.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Where the host's mounts are, the last one first; not the ramdisk, and nothing of the new root.
std::vector<std::string> host_mounts(const std::string& new_root) {
    std::vector<std::string> places;
    const std::string text = read_kernel_file(FdRef::working_directory(), "/proc/self/mountinfo");
    for (const MountInfo& each : parse_mountinfo(text)) {
        if (each.place != "/" && !is_at_or_below(each.place, new_root)) {
            places.push_back(each.place);
        }
    }
    std::reverse(places.begin(), places.end());
    return places;
}

void unmount_below(FdRef old_root, const std::vector<std::string>& places) {
    sys::fchdir(old_root, "the old root");
    for (const std::string& place : places) {
        try {
            sys::umount2("." + place, MNT_DETACH | UMOUNT_NOFOLLOW);
        } catch (const SysError& error) {
            if (error.error() != ENOENT) throw;  // a folder that is gone: nobody can reach it
        }
    }
}

}  // namespace

void move_over_root(FdRef root) {
    const trace::Step step{2, "move the root", "a ramdisk cannot be left by pivot_root"};
    const UniqueFd old_root = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    const std::vector<std::string> places = host_mounts(sys::readlinkat(
        FdRef::working_directory(), fmt::format("/proc/self/fd/{}", root.number())));
    sys::move_mount(root, old_root, "/");
    unmount_below(old_root, places);
    sys::chroot_to(root, "the new root");
}

}  // namespace tenon
