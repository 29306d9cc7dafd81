// Device nodes and the links of /dev. They belong into the file system that will be found at their
// path: into a tmpfs before it is attached, when nobody can be in the way; else into a folder of
// the image. config-linux.md, "Devices", "Default Devices", "Dev symbolic links"
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "plan_parts.hpp"

namespace tenon {

namespace {

struct PlacedEntry {
    std::string path;  // absolute and clean
    TreeEntry entry;   // its name is set when its folder is known
};

TreeEntry::Kind kind_of(const oci::Device& device) {
    if (device.type == "b") return TreeEntry::Kind::BlockDevice;
    if (device.type == "p") return TreeEntry::Kind::Fifo;
    if (device.type == "c" || device.type == "u") return TreeEntry::Kind::CharacterDevice;
    throw std::invalid_argument(fmt::format(
        "/linux/devices: {}: the type '{}' is none of c, b, u, p", device.path, device.type));
}

unsigned number(const oci::Device& device, const std::optional<std::int64_t>& value) {
    constexpr std::int64_t largest = 0xfffff;  // 20 bits hold either. makedev(3)
    const std::int64_t given = value.value_or(0);
    if (given >= 0 && given <= largest) return static_cast<unsigned>(given);
    throw std::invalid_argument(
        fmt::format("/linux/devices: {}: there is no device number {}", device.path, given));
}

TreeEntry entry_of(const oci::Device& device) {
    constexpr mode_t everybody = 0666;
    constexpr mode_t permissions = 07777;
    TreeEntry entry{.kind = kind_of(device), .name = {}};
    entry.mode = device.file_mode.value_or(everybody) & permissions;
    entry.major = number(device, device.major);
    entry.minor = number(device, device.minor);
    entry.uid = device.uid.value_or(0);
    entry.gid = device.gid.value_or(0);
    return entry;
}

// The defaults, then the config's, which win. /dev/ptmx is always the container's own.
std::vector<PlacedEntry> all_devices(const oci::Spec& spec) {
    std::vector<PlacedEntry> all;
    const auto add = [&all](const std::string& path, const TreeEntry& entry) {
        std::erase_if(all, [&](const PlacedEntry& other) { return other.path == path; });
        if (path != "/dev/ptmx") all.push_back({path, entry});
    };
    for (const TreeEntry& device : default_devices()) add("/dev/" + device.name, device);
    if (!spec.linux) return all;
    for (const oci::Device& device : spec.linux->devices) {
        add(clean_path(device.path), entry_of(device));
    }
    return all;
}

// The mount that will be found at `path`: the last one that covers it.
MountStep* covering(MountPlan& plan, const std::string& path) {
    const auto found = std::find_if(plan.steps.rbegin(), plan.steps.rend(), [&](MountStep& step) {
        const bool mounts = step.kind == MountKind::Filesystem || step.kind == MountKind::Bind;
        return mounts && lies_in(path, step.target);
    });
    return found == plan.steps.rend() ? nullptr : &*found;
}

// The folders on the way to `name` that are not there yet, the outer ones first.
void add_folders(std::vector<TreeEntry>& contents, const std::string& name) {
    for (auto slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
        const std::string folder = name.substr(0, slash);
        const bool there =
            std::any_of(contents.begin(), contents.end(),
                        [&](const TreeEntry& entry) { return entry.name == folder; });
        if (!there) contents.push_back({.kind = TreeEntry::Kind::Directory, .name = folder});
    }
}

void add_to_tmpfs(MountStep& step, const PlacedEntry& placed) {
    TreeEntry entry = placed.entry;
    entry.name = placed.path.substr(step.target.size() + 1);
    add_folders(step.contents, entry.name);
    step.contents.push_back(std::move(entry));
}

MountStep nodes_step(const PlacedEntry& placed) {
    const std::filesystem::path path{placed.path};
    MountStep step{.kind = MountKind::Nodes, .target = path.parent_path().string()};
    step.contents.push_back(placed.entry);
    step.contents.back().name = path.filename().string();
    step.origin = "/linux/devices";
    return step;
}

void place(MountPlan& plan, const PlacedEntry& placed) {
    MountStep* const step = covering(plan, placed.path);
    if (step == nullptr || step->kind == MountKind::Bind || step->fstype != "tmpfs") {
        plan.steps.push_back(nodes_step(placed));
        return;
    }
    let_be_filled(*step);
    add_to_tmpfs(*step, placed);
}

// A /dev that is bound, or the kernel's own, has what is to be in it, and is the host's: nothing is
// made there.
bool brings_own_devices(const MountPlan& plan) {
    return std::any_of(plan.steps.begin(), plan.steps.end(), [](const MountStep& step) {
        const bool shared = step.kind == MountKind::Bind || step.fstype == "devtmpfs";
        return shared && step.target == "/dev";
    });
}

// mknod(2) of a device is refused in a user namespace, for good reason: the host's node is bound.
void add_device(MountPlan& plan, const PlacedEntry& placed, bool nodes_allowed) {
    if (nodes_allowed || placed.entry.kind == TreeEntry::Kind::Fifo) return place(plan, placed);
    plan.steps.push_back(bound_device(placed.entry, placed.path));
    plan.steps.back().origin = "/linux/devices";
}

}  // namespace

bool lies_in(const std::string& path, const std::string& folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

void let_be_filled(MountStep& step) {
    std::erase(step.data, "ro");
}

void add_devices(MountPlan& plan, const oci::Spec& spec, bool nodes_allowed) {
    const bool own = brings_own_devices(plan);
    if (!own) {
        for (const TreeEntry& link : default_device_links())
            place(plan, {"/dev/" + link.name, link});
    }
    for (const PlacedEntry& placed : all_devices(spec)) {
        if (!own || !lies_in(placed.path, "/dev")) add_device(plan, placed, nodes_allowed);
    }
}

}  // namespace tenon
