// A mount of config.json becomes a MountStep: its options are told apart into what belongs to this
// one mount, to its file system, and to nobody. config.md, "Mounts"
#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include "plan_parts.hpp"
#include "tenon/bundle_plan.hpp"

namespace tenon {

namespace {

// Of a whole file system, not of one mount of it: a bind mount does not have them. mount(2),
// "Other details", per-superblock flags
constexpr std::array filesystem_words{
    "sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand",
};

// Known, and done elsewhere or nowhere: `silent` only kept kernels from logging; how inodes count
// versions is each file system's own affair now; id maps are chapter 09's. beyond() tells.
constexpr std::array words_without_effect{
    "silent", "loud", "iversion", "noiversion", "idmap", "ridmap",
};

// What a remount without a word about them takes away: mount(2), MS_REMOUNT, sets all flags anew.
constexpr std::uint64_t set_anew = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                   MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME |
                                   MOUNT_ATTR_NOSYMFOLLOW;

template <std::size_t Size>
bool is_one_of(const std::array<const char*, Size>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

[[noreturn]] void refuse(const std::string& origin, const std::string& why) {
    throw std::invalid_argument(fmt::format("{}: {}", origin, why));
}

struct SortedOptions {
    MountOptions mount;
    std::vector<std::string> filesystem;  // flags of the file system
    bool remount = false;
    bool copy_up = false;
};

// Each option by itself: `context="a,b"` is one that has a comma.
void take_option(const std::string& word, const std::string& origin, std::string& of_mount,
                 SortedOptions& options) {
    if (word.empty()) refuse(origin, "an option is empty");
    if (word == "remount") {
        options.remount = true;
    } else if (word == "tmpcopyup") {
        options.copy_up = true;
    } else if (is_one_of(filesystem_words, word)) {
        options.filesystem.push_back(word);
    } else if (!is_one_of(words_without_effect, word)) {
        of_mount += (of_mount.empty() ? "" : ",") + word;
    }
}

SortedOptions sort_options(const oci::Mount& mount, const std::string& origin) {
    SortedOptions options;
    std::string of_mount;
    for (const std::string& word : mount.options) take_option(word, origin, of_mount, options);
    try {
        options.mount = parse_mount_options(of_mount);
    } catch (const std::invalid_argument& error) {
        refuse(origin, error.what());
    }
    return options;
}

MountStep bind_step(const oci::Mount& mount, const SortedOptions& options,
                    const std::string& origin) {
    if (mount.source.empty()) refuse(origin, "a bind mount needs a source");
    if (!options.mount.data.empty()) {
        refuse(origin,
               fmt::format("'{}' is no option of a bind mount", options.mount.data.front()));
    }
    MountStep step{.kind = MountKind::Bind, .source = mount.source};
    step.attributes = options.mount.attributes;
    step.recursive = options.mount.recursive_bind || mount.type == "rbind";
    return step;
}

// The file system is read-only as well as the mount, as mount(2) has it: a disk that cannot be
// written to is refused otherwise.
void add_filesystem_flags(MountStep& step, const SortedOptions& options) {
    step.data = options.mount.data;
    step.data.insert(step.data.end(), options.filesystem.begin(), options.filesystem.end());
    // What is to be filled is not read-only yet: then the mount alone is, in the end.
    const bool readonly = (options.mount.attributes.set & MOUNT_ATTR_RDONLY) != 0;
    if (readonly && !step.copy_up) step.data.emplace_back("ro");
}

MountStep filesystem_step(const oci::Mount& mount, const SortedOptions& options,
                          const std::string& origin) {
    if (mount.type.empty()) refuse(origin, "neither a type nor the option bind or rbind is given");
    MountStep step{.kind = MountKind::Filesystem, .source = mount.source};
    step.fstype = mount.type == "cgroup" ? "cgroup2" : mount.type;
    step.attributes = options.mount.attributes;
    step.copy_up = options.copy_up;
    if (step.copy_up && step.fstype != "tmpfs") refuse(origin, "tmpcopyup is an option of a tmpfs");
    add_filesystem_flags(step, options);
    return step;
}

MountStep remount_step(const SortedOptions& options) {
    MountStep step{.kind = MountKind::Remount};
    step.attributes = options.mount.attributes;
    step.attributes.clear |= set_anew & ~step.attributes.set;
    if (!options.mount.bind) add_filesystem_flags(step, options);
    return step;
}

MountStep step_of_kind(const oci::Mount& mount, const std::string& origin) {
    const SortedOptions options = sort_options(mount, origin);
    const bool bind = options.mount.bind || mount.type == "bind" || mount.type == "rbind";
    if (options.copy_up && (options.remount || bind)) {
        refuse(origin, "tmpcopyup is an option of a new tmpfs");
    }
    if (options.remount) return remount_step(options);
    return bind ? bind_step(mount, options, origin) : filesystem_step(mount, options, origin);
}

// Without a cgroup namespace the hierarchy is the host's: whoever may write there leaves every
// limit (CVE-2023-25809).
void protect_hosts_cgroups(MountPlan& plan, const oci::Spec& spec) {
    if (creates(spec, Namespace::Cgroup)) return;
    for (MountStep& step : plan.steps) {
        if (step.fstype != "cgroup2") continue;
        step.attributes.set |= MOUNT_ATTR_RDONLY;
        step.attributes.clear &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
    }
}

bool mounts_something(const MountStep& step) {
    return step.kind == MountKind::Filesystem || step.kind == MountKind::Bind;
}

// A tmpfs is empty: where something is mounted in it, the place has to be made first. So it becomes
// read-only when it is complete, as runc and crun do it, unless it is hidden by then.
bool is_restricted_too_early(const MountPlan& plan, std::size_t index) {
    const MountStep& step = plan.steps[index];
    const bool readonly = (step.attributes.set & MOUNT_ATTR_RDONLY) != 0;
    if (step.kind != MountKind::Filesystem || step.fstype != "tmpfs" || !readonly) return false;
    bool holds_mounts = false;
    for (std::size_t i = index + 1; i < plan.steps.size(); ++i) {
        const MountStep& later = plan.steps[i];
        if (!mounts_something(later)) continue;
        if (later.target == step.target || lies_in(step.target, later.target)) return false;
        holds_mounts = holds_mounts || lies_in(later.target, step.target);
    }
    return holds_mounts;
}

void restrict_when_complete(MountPlan& plan) {
    const std::size_t all = plan.steps.size();
    for (std::size_t i = 0; i < all; ++i) {
        if (!is_restricted_too_early(plan, i)) continue;
        MountStep& step = plan.steps[i];
        let_be_filled(step);
        step.attributes.set &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
        MountStep last{.kind = MountKind::Remount, .target = step.target, .origin = step.origin};
        last.attributes.set = MOUNT_ATTR_RDONLY;
        plan.steps.push_back(std::move(last));
    }
}

void add_protected_paths(MountPlan& plan, const oci::Linux& config) {
    for (const std::string& path : config.masked_paths) {
        plan.steps.push_back(
            {.kind = MountKind::Mask, .target = path, .origin = "/linux/maskedPaths"});
    }
    for (const std::string& path : config.readonly_paths) {
        plan.steps.push_back(
            {.kind = MountKind::ReadonlyPath, .target = path, .origin = "/linux/readonlyPaths"});
    }
}

void set_root_propagation(MountPlan& plan, const std::string& word) {
    if (word.empty()) return;
    const MountOptions options = parse_mount_options(word);
    if (options.attributes.propagation == 0 || word.find(',') != std::string::npos) {
        throw std::invalid_argument(fmt::format(
            "/linux/rootfsPropagation: '{}' is none of shared, slave, private, unbindable", word));
    }
    plan.root_propagation = options.attributes.propagation;
    plan.recursive_root_propagation = options.attributes.recursive_propagation;
}

}  // namespace

std::string clean_path(const std::string& path) {
    std::string clean = (std::filesystem::path{"/"} / path).lexically_normal().string();
    while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
    return clean;
}

bool lists(const oci::Spec& spec, Namespace kind) {
    if (!spec.linux) return false;
    const auto& all = spec.linux->namespaces;
    return std::any_of(all.begin(), all.end(), [&](const oci::LinuxNamespace& ns) {
        return namespace_from_name(ns.type) == kind;
    });
}

bool creates(const oci::Spec& spec, Namespace kind) {
    if (!spec.linux) return false;
    const auto& all = spec.linux->namespaces;
    return std::any_of(all.begin(), all.end(), [&](const oci::LinuxNamespace& ns) {
        return ns.path.empty() && namespace_from_name(ns.type) == kind;
    });
}

MountStep mount_step(const oci::Mount& mount, std::size_t index) {
    const std::string origin = fmt::format("/mounts/{}", index);
    MountStep step = step_of_kind(mount, origin);
    step.target = clean_path(mount.destination);
    step.origin = origin;
    if (step.target == "/" && step.kind != MountKind::Remount) {
        refuse(origin, "its destination is the root itself: that is what /root/path says");
    }
    return step;
}

MountPlan mounts_from(const oci::Spec& spec, bool in_initial_user_namespace) {
    MountPlan plan;
    for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
        plan.steps.push_back(mount_step(spec.mounts[i], i));
    }
    protect_hosts_cgroups(plan, spec);
    add_devices(plan, spec, in_initial_user_namespace && !lists(spec, Namespace::User));
    restrict_when_complete(plan);
    if (spec.linux) add_protected_paths(plan, *spec.linux);
    if (spec.linux) set_root_propagation(plan, spec.linux->rootfs_propagation);
    plan.readonly_root = spec.root && spec.root->readonly;
    return plan;
}

}  // namespace tenon
