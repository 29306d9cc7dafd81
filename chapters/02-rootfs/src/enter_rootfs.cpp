// The order of the whole change of root, and the making of missing targets.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "mount_steps.hpp"
#include "tenon/error.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

std::optional<UniqueFd> open_existing(FdRef root, std::string_view path) {
    try {
        return open_beneath(root, path, O_PATH);
    } catch (const SysError& e) {
        if (e.error() == ENOENT) return std::nullopt;
        throw;
    }
}

void make_node(FdRef parent, const std::string& name, TargetKind kind) {
    if (kind == TargetKind::Directory) return sys::mkdirat(parent, name, 0755);
    sys::mknodat(parent, name, S_IFREG | 0644, 0);
}

}  // namespace

// One component at a time, each made inside a directory that is already open: a link that
// somebody puts in the way can change where we look next, but never where we create.
UniqueFd make_target(FdRef root, std::string_view path, TargetKind kind) {
    if (std::optional<UniqueFd> there = open_existing(root, path)) return std::move(*there);
    const auto end = path.find_last_not_of('/');
    const std::string_view trimmed = path.substr(0, end + 1);
    const auto slash = trimmed.rfind('/');
    const bool in_root = slash == std::string_view::npos || slash == 0;
    const UniqueFd parent =
        in_root ? open_beneath(root, ".", O_PATH)
                : make_target(root, trimmed.substr(0, slash), TargetKind::Directory);
    const std::string name{trimmed.substr(slash == std::string_view::npos ? 0 : slash + 1)};
    make_node(parent, name, kind);
    return open_beneath(parent, name, O_PATH | O_NOFOLLOW);
}

// "open rootfs" and not "openat": of all paths on a command line, this one is missing most often.
UniqueFd open_rootfs(const std::filesystem::path& path) {
    try {
        return sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
    } catch (const SysError& e) {
        throw SysError(e.error(), "open rootfs", path.native());
    }
}

void enter_rootfs(const std::filesystem::path& rootfs, const MountPlan& plan) {
    const OpenedPlan opened = open_sources(plan);  // still connected, for whoever asks for rslave
    make_mounts_private();
    const UniqueFd root = bind_rootfs(open_rootfs(rootfs), rootfs);
    apply_mounts(root, opened.plan);
    if (plan.readonly_root) {
        const trace::Step step{2, "make the root read-only", "last: targets had to be made in it"};
        sys::mount_setattr(root, {.set = MOUNT_ATTR_RDONLY}, false, rootfs);
    }
    pivot_into(root);
}

}  // namespace tenon
