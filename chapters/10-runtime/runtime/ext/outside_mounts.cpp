#include "outside_mounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/mount_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::ext {

namespace {

constexpr std::uint64_t what_forbids = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                       MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;

bool makes_a_mount(const MountStep& step) {
    return step.kind == MountKind::Filesystem || step.kind == MountKind::Bind ||
           step.kind == MountKind::Mask;
}

// A step, and where it has led.
struct PlacedStep {
    const MountStep* step;
    std::string place;
};

// The one that has brought `mount`: the deepest one, and of those the last.
const PlacedStep* maker_of(const MountInfo& mount, const std::vector<PlacedStep>& steps) {
    const PlacedStep* found = nullptr;
    for (const PlacedStep& each : steps) {
        if (!is_at_or_below(mount.place, each.place)) continue;
        if (found == nullptr || each.place.size() >= found->place.size()) found = &each;
    }
    return found;
}

// A part of a file system that is mounted whole nowhere in the container, and is not its root's.
bool is_part_of_the_hosts(const MountInfo& mount, const std::vector<MountInfo>& mounts) {
    if (mount.root == "/") return false;
    return std::none_of(mounts.begin(), mounts.end(), [&](const MountInfo& each) {
        return each.device == mount.device && (each.root == "/" || each.place == "/");
    });
}

bool is_outside(const MountInfo& mount, const std::vector<MountInfo>& mounts,
                const PlacedStep* maker) {
    if (maker == nullptr) return is_part_of_the_hosts(mount, mounts);
    const bool exactly = maker->place == mount.place;
    switch (maker->step->kind) {
        case MountKind::Bind:
            return true;  // what is deeper came with it, or covers a part of it
        // A folder is covered by a file system of its own, a file by the host's null.
        case MountKind::Mask: return mount.root != "/";
        default: return !exactly && is_part_of_the_hosts(mount, mounts);
    }
}

OutsideMount described(const MountInfo& mount, const PlacedStep* maker) {
    const bool by_plan = maker != nullptr && maker->step->kind != MountKind::Filesystem;
    if (!by_plan) {
        return {.place = mount.place, .of = mount.place, .below = "", .options = mount.options};
    }
    return {.place = mount.place,
            .of = maker->step->target,
            .below = mount.place.substr(maker->place == "/" ? 0 : maker->place.size()),
            .options = mount.options};
}

const MountStep* step_at(const MountPlan& plan, const std::string& target) {
    const MountStep* found = nullptr;
    for (const MountStep& step : plan.steps) {
        if (makes_a_mount(step) && step.target == target) found = &step;
    }
    return found;
}

}  // namespace

std::vector<OutsideMount> find_outside_mounts(
    const std::vector<MountInfo>& mounts, const MountPlan& plan,
    const std::function<std::string(const std::string& target)>& where) {
    std::vector<PlacedStep> steps;
    for (const MountStep& step : plan.steps) {
        if (makes_a_mount(step)) steps.push_back({&step, where(step.target)});
    }
    std::vector<OutsideMount> outside;
    for (const MountInfo& mount : mounts) {
        if (mount.place == "/") continue;
        const PlacedStep* const maker = maker_of(mount, steps);
        if (is_outside(mount, mounts, maker)) outside.push_back(described(mount, maker));
    }
    return outside;
}

void forbid_again(const std::vector<OutsideMount>& mounts) {
    for (const OutsideMount& each : mounts) {
        const std::uint64_t forbidden =
            parse_mount_options(each.options).attributes.set & what_forbids;
        if (forbidden == 0) continue;
        const UniqueFd mount =
            sys::openat2(FdRef::working_directory(), each.place, O_PATH, RESOLVE_NO_SYMLINKS);
        sys::mount_setattr(mount, {.set = forbidden}, false, each.place);
    }
}

std::string source_of(const OutsideMount& mount, const MountPlan& plan, const std::string& bundle) {
    const MountStep* const step = step_at(plan, mount.of);
    if (step != nullptr && step->kind == MountKind::Mask) return "/dev/null";
    if (step != nullptr && step->kind == MountKind::Bind) {
        const std::string source = step->source + mount.below;
        return source.starts_with('/') ? source : bundle + "/" + source;
    }
    throw std::invalid_argument(fmt::format(
        "the checkpoint has a mount of the host's at {}, and the config names no source for it",
        mount.place));
}

}  // namespace tenon::ext
