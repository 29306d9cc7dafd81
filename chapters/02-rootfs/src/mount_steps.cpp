// What surrounds a mount: its contents, its attributes, its place, and the paths that are hidden.
// Everything is a descriptor; the only names are single components inside a directory we hold.
#include "mount_steps.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "hardened.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// A file that pretends to be a device must not be bound as one (CVE-2025-31133).
void require_device(FdRef node, dev_t device, mode_t format, std::string_view path) {
    const struct stat status = sys::fstat(node);
    if ((status.st_mode & S_IFMT) == format && status.st_rdev == device) return;
    throw SysError(
        ENODEV, "open_tree",
        fmt::format("{} (it is not the {} device {}:{})", path,
                    format == S_IFBLK ? "block" : "character", major(device), minor(device)));
}

bool is_directory(FdRef file) {
    return S_ISDIR(sys::fstat(file).st_mode);
}

// Everything that comes later counts on the real /proc, /sys and /dev: an image that makes a link
// of one would have settings written, and nodes made, somewhere else (CVE-2019-19921,
// CVE-2023-27561, CVE-2026-41579). So it is the target that counts, whatever is mounted there.
std::optional<std::string> kernel_folder(const std::string& target) {
    // The "." makes "proc", "/proc" and "//proc/" end alike.
    const auto clean = (std::filesystem::path{"/"} / target / ".").lexically_normal();
    for (const char* name : {"proc", "sys", "dev"}) {
        if (clean == fmt::format("/{}/", name)) return name;
    }
    return std::nullopt;
}

// Looked at before anything is made: through a link, missing folders would appear elsewhere.
UniqueFd open_kernel_folder(FdRef root, const std::string& name) {
    const auto open = [&] {
        return sys::openat2(root, "/" + name, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
    };
    try {
        return open();
    } catch (const SysError& e) {
        if (e.error() != ENOENT) throw;
    }
    sys::mkdirat(root, name, 0755);  // makes nothing through a link: EEXIST. mkdir(2)
    return open();
}

// What lxcfs shows a container of its own limits. Everything else in procfs is the kernel's word,
// which later steps, and what watches the container, rely on: no mount may stand in its place
// (CVE-2019-16884).
constexpr std::array replaceable_in_proc{
    "/proc/cpuinfo/",
    "/proc/diskstats/",
    "/proc/loadavg/",
    "/proc/meminfo/",
    "/proc/net/dev/",
    "/proc/slabinfo/",
    "/proc/stat/",
    "/proc/swaps/",
    "/proc/sys/crypto/fips_enabled/",
    "/proc/uptime/",
    "/proc/sys/kernel/ns_last_pid/",
};

// Judged by the file that was found, not by its name: a link in the image may lead to procfs.
void protect_procfs(FdRef tree, FdRef target, const std::string& path) {
    const std::string clean = (std::filesystem::path{"/"} / path / ".").lexically_normal();
    if (clean == "/proc/") {
        if (sys::file_system_type(tree) == PROC_SUPER_MAGIC) return;
        throw SysError(EPERM, "mount", path + " (only procfs may be there)");
    }
    if (sys::file_system_type(target) != PROC_SUPER_MAGIC) return;
    if (std::find(replaceable_in_proc.begin(), replaceable_in_proc.end(), clean) !=
        replaceable_in_proc.end()) {
        return;
    }
    throw SysError(EPERM, "mount", path + " (it lies in procfs)");
}

// move_mount would say EINVAL, which it says for much else, too.
void require_kind(bool folder, FdRef target, std::string_view path) {
    if (folder != is_directory(target)) throw SysError(folder ? ENOTDIR : EISDIR, "mount", path);
}

// The host's null and never the image's, which may hold anything by that name (CVE-2025-31133).
// Read-only, so that a chmod of what is masked does not reach the host's device; open(2) for
// writing works all the same, because nothing is written to the file system of a device node.
UniqueFd clone_null() {
    UniqueFd null = sys::open_tree_clone(FdRef::working_directory(), "/dev/null", false);
    require_device(null, makedev(1, 3), S_IFCHR, "/dev/null");
    const std::uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    sys::mount_setattr(null, {.set = attributes}, false, "/dev/null");
    return null;
}

UniqueFd empty_readonly_directory() {
    const UniqueFd context = sys::fsopen("tmpfs");
    sys::fsconfig_string(context, "size", "0");
    sys::fsconfig_string(context, "mode", "000");
    sys::fsconfig_create(context, "tmpfs");
    return sys::fsmount(context, MOUNT_ATTR_RDONLY | hardened, "tmpfs");
}

}  // namespace

// As open_beneath() walks, and without an exception: half of what is masked is not there.
std::optional<UniqueFd> open_if_present(FdRef root, std::string_view path) {
    return sys::openat2_if_present(root, std::string{path}, O_PATH,
                                   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

UniqueFd open_target(FdRef root, const std::string& target, TargetKind kind) {
    const std::optional<std::string> special = kernel_folder(target);
    return special ? open_kernel_folder(root, *special) : make_target(root, target, kind);
}

void configure_filesystem(FdRef context, const std::vector<std::string>& data) {
    for (const std::string& option : data) {
        const auto equals = option.find('=');
        if (equals == std::string::npos) {
            sys::fsconfig_flag(context, option);
        } else {
            sys::fsconfig_string(context, option.substr(0, equals), option.substr(equals + 1));
        }
    }
}

UniqueFd clone_source(const MountStep& step) {
    if (step.tree) return sys::duplicate(*step.tree);
    UniqueFd tree = sys::open_tree_clone(FdRef::working_directory(), step.source, step.recursive);
    if (step.device) require_device(tree, *step.device, step.device_format, step.source);
    if (step.attributes.propagation == 0) {
        // A clone is its source's peer, so mounts would travel both ways: cut off, unless the plan
        // asks for the connection. mount_namespaces(7), "Shared subtrees"
        sys::mount_setattr(tree, {.propagation = MS_PRIVATE}, true, step.source);
    }
    return tree;
}

OpenedPlan open_sources(const MountPlan& plan) {
    const trace::Step telling{2, "open what is to be bound",
                              "before our own mounts exist, or a folder above would bring them"};
    OpenedPlan opened{.plan = plan};
    for (MountStep& step : opened.plan.steps) {
        if (step.kind != MountKind::Bind || step.tree) continue;
        opened.trees.push_back(telling_origin(step, [&] { return clone_source(step); }));
        step.tree = opened.trees.back().ref();
    }
    return opened;
}

void set_attributes(FdRef tree, const MountAttributes& wanted, std::string_view subject) {
    const std::string name{subject};
    if ((wanted.recursive_set | wanted.recursive_clear) != 0) {
        sys::mount_setattr(tree, {.set = wanted.recursive_set, .clear = wanted.recursive_clear},
                           true, name);
    }
    // After the recursive ones, which cover the top as well and would undo `rrw,ro`.
    if ((wanted.set | wanted.clear) != 0) {
        sys::mount_setattr(tree, {.set = wanted.set, .clear = wanted.clear}, false, name);
    }
    if (wanted.propagation != 0) {
        sys::mount_setattr(tree, {.propagation = wanted.propagation}, wanted.recursive_propagation,
                           name);
    }
}

void attach_inside(FdRef root, FdRef tree, const MountStep& step) {
    // The root of a file system is a folder; what is bound may be anything.
    const bool folder = step.kind == MountKind::Filesystem || is_directory(tree);
    const UniqueFd target =
        open_target(root, step.target, folder ? TargetKind::Directory : TargetKind::File);
    require_kind(folder, target, step.target);
    protect_procfs(tree, target, step.target);
    sys::move_mount(tree, target, step.target);
}

// One file system for all masked folders, made for the first: each one more would have to be taken
// down with the container. A clone has the attributes of what it is cloned from.
void mask_path(FdRef root, const MountStep& step, Covers& covers) {
    const trace::Step telling{2, "mask a path", "it tells about the host, not about the container"};
    const std::optional<UniqueFd> target = open_if_present(root, step.target);
    if (!target) return;
    const bool folder = is_directory(*target);
    UniqueFd& first = folder ? covers.folder : covers.file;
    if (first.valid()) {
        return sys::move_mount(sys::open_tree_clone(first, "", false), *target, step.target);
    }
    first = folder ? empty_readonly_directory() : clone_null();
    sys::move_mount(first, *target, step.target);
}

void make_path_readonly(FdRef root, const MountStep& step) {
    const trace::Step telling{2, "protect a path", "writing there would configure the machine"};
    const std::optional<UniqueFd> target = open_if_present(root, step.target);
    if (!target) return;
    // A clone of itself on top of itself: the attribute then covers this path and nothing else.
    const UniqueFd tree = sys::open_tree_clone(*target, "", true);
    sys::mount_setattr(tree, {.set = MOUNT_ATTR_RDONLY}, true, step.target);
    sys::move_mount(tree, *target, step.target);
}

// mount(8) says "remount" for both: the flags of this one mount, and the state of the file system
// behind it, which all its mounts share.
void change_mount(FdRef root, const MountStep& step) {
    const trace::Step telling{2, "change a mount", "it was made before, and is only restricted"};
    const UniqueFd target = open_beneath(root, step.target, O_PATH);
    if (!step.data.empty()) {
        const UniqueFd context = sys::fspick(target, step.target);
        configure_filesystem(context, step.data);
        sys::fsconfig_reconfigure(context, step.target);
    }
    set_attributes(target, step.attributes, step.target);
}

}  // namespace tenon
