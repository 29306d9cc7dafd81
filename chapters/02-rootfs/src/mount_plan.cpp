// The mounts of every container, as tables. Order matters: a parent before what lies in it.
#include "tenon/mount_plan.hpp"

#include <fmt/format.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>

#include "hardened.hpp"

namespace tenon {

namespace {

constexpr std::uint64_t device_tree = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

struct Device {
    const char* name;
    unsigned major;
    unsigned minor;
};

// runtime-spec, config-linux.md, "Default Devices"; numbers: Documentation/admin-guide/devices.txt
constexpr std::array device_table{
    Device{"null", 1, 3},   Device{"zero", 1, 5},    Device{"full", 1, 7},
    Device{"random", 1, 8}, Device{"urandom", 1, 9}, Device{"tty", 5, 0},
};

struct Link {
    const char* name;
    const char* target;
};

constexpr std::array link_table{
    Link{"fd", "/proc/self/fd"},
    Link{"stdin", "/proc/self/fd/0"},
    Link{"stdout", "/proc/self/fd/1"},
    Link{"stderr", "/proc/self/fd/2"},
    // devpts, newinstance: the container's own multiplexer, not the host's node. pts(4)
    Link{"ptmx", "pts/ptmx"},
};

// What leaks facts about the host or its hardware even through a procfs of our own.
constexpr std::array masked_paths{
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
};

// What configures the whole machine: sysrq-trigger reboots it.
constexpr std::array readonly_paths{
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

MountStep filesystem(const char* fstype, const char* target, std::vector<std::string> data,
                     std::uint64_t attributes) {
    MountStep step{.kind = MountKind::Filesystem, .target = target, .fstype = fstype};
    step.data = std::move(data);
    step.attributes.set = attributes;
    return step;
}

// For what a container may see but has no namespace of its own for. With all mounts below it: in
// a user namespace the kernel refuses to uncover what they hide. mount_namespaces(7)
MountStep host_tree(const char* path) {
    MountStep step{.kind = MountKind::Bind, .source = path, .target = path, .recursive = true};
    step.attributes.recursive_set = hardened | MOUNT_ATTR_RDONLY;
    return step;
}

// The rights of root over the whole machine, which no other user namespace gives.
bool is_real_root(const MountContext& context) {
    return context.in_initial_user_namespace && !context.created.contains(Namespace::User) &&
           !context.joined.contains(Namespace::User);
}

// A file system that shows a namespace is mounted by whoever has CAP_SYS_ADMIN in the user
// namespace that owns it: user_namespaces(7), "Interaction of user namespaces and other types of
// namespaces". A new user namespace owns what is created with it, and nothing that is joined.
enum class Instance { New, Hosts, Refused };

Instance instance_of(const MountContext& context, Namespace shown) {
    if (context.created.contains(shown)) return Instance::New;
    if (context.joined.contains(shown)) {
        return context.created.contains(Namespace::User) ? Instance::Refused : Instance::New;
    }
    return is_real_root(context) ? Instance::New : Instance::Hosts;
}

// Never the host's in place of a joined one: that would show the host's processes or network.
MountStep kernel_filesystem(const MountContext& context, Namespace shown, MountStep own) {
    switch (instance_of(context, shown)) {
        case Instance::New: return own;
        case Instance::Hosts: return host_tree(own.target.c_str());
        case Instance::Refused: break;
    }
    const std::string_view kind = proc_name(shown);
    throw std::invalid_argument(
        fmt::format("joining its {0} namespace without its user namespace: {1} cannot be mounted "
                    "there; join user as well: --join PID:user,{0}",
                    kind, own.fstype == "proc" ? "procfs" : own.fstype));
}

TreeEntry character_device(const Device& device) {
    return {.kind = TreeEntry::Kind::CharacterDevice,
            .name = device.name,
            .mode = 0666,
            .major = device.major,
            .minor = device.minor};
}

// The tmpfs with everything in it. In a user namespace mknod is refused (EPERM): there the nodes
// stay out, and add_bound_devices() brings the host's.
MountStep device_directory(bool with_nodes) {
    MountStep step = filesystem("tmpfs", "/dev", {"mode=755", "size=65536k"}, device_tree);
    step.contents = default_device_links();
    for (const char* name : {"pts", "shm", "mqueue"}) {
        step.contents.push_back({.kind = TreeEntry::Kind::Directory, .name = name});
    }
    if (!with_nodes) return step;
    for (TreeEntry& device : default_devices()) step.contents.push_back(std::move(device));
    return step;
}

void add_bound_devices(MountPlan& plan) {
    for (const TreeEntry& device : default_devices()) {
        plan.steps.push_back(bound_device(device, "/dev/" + device.name));
    }
}

void add_kernel_filesystems(MountPlan& plan, const MountContext& context) {
    plan.steps.push_back(
        kernel_filesystem(context, Namespace::Pid, filesystem("proc", "/proc", {}, hardened)));
    plan.steps.push_back(kernel_filesystem(
        context, Namespace::Net, filesystem("sysfs", "/sys", {}, hardened | MOUNT_ATTR_RDONLY)));
}

void add_device_filesystems(MountPlan& plan, const MountContext& context) {
    const bool can_make_nodes = is_real_root(context);
    plan.steps.push_back(device_directory(can_make_nodes));
    if (!can_make_nodes) add_bound_devices(plan);
    plan.steps.push_back(filesystem("devpts", "/dev/pts",
                                    {"newinstance", "ptmxmode=0666", "mode=0620"}, device_tree));
    plan.steps.push_back(filesystem("tmpfs", "/dev/shm", {"mode=1777", "size=65536k"}, hardened));
    // Nothing needs the queues of the host: where a new instance is refused, there is none.
    if (instance_of(context, Namespace::Ipc) == Instance::New) {
        plan.steps.push_back(filesystem("mqueue", "/dev/mqueue", {}, hardened));
    }
}

}  // namespace

std::vector<TreeEntry> default_devices() {
    std::vector<TreeEntry> entries;
    entries.reserve(std::size(device_table));
    for (const Device& device : device_table) entries.push_back(character_device(device));
    return entries;
}

std::vector<TreeEntry> default_device_links() {
    std::vector<TreeEntry> entries;
    entries.reserve(std::size(link_table));
    for (const Link& link : link_table) {
        entries.push_back(
            {.kind = TreeEntry::Kind::Symlink, .name = link.name, .link_target = link.target});
    }
    return entries;
}

MountStep bound_device(const TreeEntry& device, const std::string& path) {
    MountStep step{.kind = MountKind::Bind, .source = path, .target = path};
    // Read-only speaks of the inode: a device can still be written to, and the container's root
    // cannot change the mode or the times of the host's own node.
    step.attributes.set = device_tree | MOUNT_ATTR_RDONLY;
    step.device = makedev(device.major, device.minor);
    step.device_format = device.kind == TreeEntry::Kind::BlockDevice ? S_IFBLK : S_IFCHR;
    return step;
}

MountPlan default_mount_plan(const MountContext& context, std::vector<MountStep> requested) {
    MountPlan plan;
    add_kernel_filesystems(plan, context);
    add_device_filesystems(plan, context);
    std::move(requested.begin(), requested.end(), std::back_inserter(plan.steps));
    for (const char* path : masked_paths) {
        plan.steps.push_back({.kind = MountKind::Mask, .target = path});
    }
    for (const char* path : readonly_paths) {
        plan.steps.push_back({.kind = MountKind::ReadonlyPath, .target = path});
    }
    return plan;
}

}  // namespace tenon
