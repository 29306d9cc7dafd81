// The order of the whole change of root, and the making of missing targets.
#include <fcntl.h>
#include <linux/magic.h>
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

constexpr int most_links = 40;  // as many as the kernel follows: path_resolution(7)

struct SplitPath {
    std::string parent;
    std::string name;
};

SplitPath split_last(std::string_view path) {
    const std::string_view trimmed = path.substr(0, path.find_last_not_of('/') + 1);
    const auto slash = trimmed.rfind('/');
    if (slash == std::string_view::npos) return {".", std::string{trimmed}};
    const std::string_view parent = slash == 0 ? "/" : trimmed.substr(0, slash);
    return {std::string{parent}, std::string{trimmed.substr(slash + 1)}};
}

// The text of the link `name`; nothing where there is no link.
std::optional<std::string> read_link(FdRef directory, const std::string& name) {
    try {
        return sys::readlinkat(directory, name);
    } catch (const SysError& e) {
        if (e.error() == ENOENT || e.error() == EINVAL) return std::nullopt;
        throw;
    }
}

// False where something has that name already, be it a link that leads nowhere. mkdir(2), EEXIST
bool make_node(FdRef parent, const std::string& name, TargetKind kind) {
    try {
        if (kind == TargetKind::Directory) {
            sys::mkdirat(parent, name, 0755);
        } else {
            sys::mknodat(parent, name, S_IFREG | 0644, 0);
        }
        return true;
    } catch (const SysError& e) {
        if (e.error() != EEXIST) throw;
        return false;
    }
}

// One component at a time, each made inside a directory that is already open: a link that
// somebody puts in the way can change where we look next, but never where we create.
UniqueFd make_missing(FdRef root, const std::string& path, TargetKind kind, int& links_left) {
    if (std::optional<UniqueFd> there = open_if_present(root, path)) return std::move(*there);
    const auto [above, name] = split_last(path);
    if (above == path) return open_beneath(root, path, O_PATH);  // the root itself is no folder
    const UniqueFd parent = make_missing(root, above, TargetKind::Directory, links_left);
    // Nothing can be made in procfs; and the text of its magic links is no path: /proc/self/fd/8 is
    // there as soon as the folder itself is open as number 8.
    if (sys::file_system_type(parent) == PROC_SUPER_MAGIC) throw SysError(ENOENT, "openat2", path);
    if (name == "..") return open_beneath(root, path, O_PATH);  // of a folder that was missing
    const bool made = make_node(parent, name, kind);
    if (const std::optional<std::string> link = made ? std::nullopt : read_link(parent, name)) {
        // Its text is the image's: what it points to is looked up, and made, inside the root.
        if (links_left-- == 0) throw SysError(ELOOP, "readlinkat", path);
        const std::string next = link->starts_with('/') ? *link : above + "/" + *link;
        return make_missing(root, next, kind, links_left);
    }
    return open_beneath(parent, name, O_PATH | O_NOFOLLOW);
}

}  // namespace

UniqueFd make_target(FdRef root, std::string_view path, TargetKind kind) {
    int links_left = most_links;
    return make_missing(root, std::string{path}, kind, links_left);
}

// "open rootfs" and not "openat": of all paths on a command line, this one is missing most often.
UniqueFd open_rootfs(const std::filesystem::path& path) {
    const trace::Step step{2, "open the new root", "from here on it is a descriptor, not a path"};
    try {
        return sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
    } catch (const SysError& e) {
        throw SysError(e.error(), "open rootfs", path.native());
    }
}

UniqueFd prepare_root(const RootMaker& make_root, const MountPlan& plan) {
    const OpenedPlan opened = open_sources(plan);  // still connected, for whoever asks for rslave
    make_mounts_private();
    UniqueFd root = make_root();
    apply_mounts(root, opened.plan);
    return root;
}

void change_root(FdRef root, const MountPlan& plan) {
    if (plan.readonly_root) {
        const trace::Step step{2, "make the root read-only", "last: targets had to be made in it"};
        sys::mount_setattr(root, {.set = MOUNT_ATTR_RDONLY}, false, "the new root");
    }
    plan.moved_root ? move_over_root(root) : pivot_into(root);
    if (plan.root_propagation != 0) {
        const trace::Step step{2, "set the root's propagation", "pivot_root takes no shared one"};
        sys::mount_setattr(root, {.propagation = plan.root_propagation},
                           plan.recursive_root_propagation, "/");
    }
}

void enter_root(const RootMaker& make_root, const MountPlan& plan) {
    change_root(prepare_root(make_root, plan), plan);
}

void enter_rootfs(const std::filesystem::path& rootfs, const MountPlan& plan) {
    enter_root([&] { return bind_rootfs(open_rootfs(rootfs), rootfs); }, plan);
}

}  // namespace tenon
