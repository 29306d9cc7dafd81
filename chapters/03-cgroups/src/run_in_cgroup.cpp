// A group around a container's life: made before it, asked after it, removed in any case.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <random>
#include <stdexcept>

#include "tenon/cgroup_options.hpp"
#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/log.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Nobody else's: two containers in one group would share its limits.
std::string new_name() {
    std::random_device random;
    return fmt::format("tenon-{}-{:08x}", ::getpid(), random());
}

std::string group_path(const CgroupHierarchy& hierarchy, const std::string& wanted) {
    if (wanted.starts_with('/')) return wanted.substr(1);
    const std::string name = wanted.empty() ? new_name() : wanted;
    const std::string parent = delegated_group(hierarchy);
    return parent.empty() ? name : parent + "/" + name;
}

// --memory-swap counts memory and swap together, memory.swap.max swap alone.
std::uint64_t swap_beside(std::uint64_t memory, std::uint64_t both) {
    if (both == no_limit) return no_limit;
    if (memory == no_limit || both < memory) {
        throw std::invalid_argument(
            "--memory-swap is memory and swap together: it needs --memory, and cannot be less");
    }
    return both - memory;
}

CgroupLimits limits_of(const CgroupOptions& options) {
    CgroupLimits limits = options.limits;
    if (!options.memory_and_swap) return limits;
    const std::uint64_t swap =
        swap_beside(limits.memory_max.value_or(no_limit), *options.memory_and_swap);
    if (swap != no_limit) limits.swap_max = swap;
    return limits;
}

// Unlimited swap would turn a memory limit into a slow disk. So as much again, as Docker does it,
// unless this kernel does not count swap.
void limit_swap_unasked(const CgroupManager& group, const CgroupOptions& options) {
    if (!options.limits.memory_max || options.memory_and_swap) return;
    const trace::Step step{3, "limit swap, too", "a limit on memory alone would fill the disk"};
    if (!read_kernel_file_if_present(group.directory(), "memory.swap.max")) return;
    CgroupLimits swap;
    swap.swap_max = options.limits.memory_max;
    group.apply(swap);
}

CgroupManager make_group(const CgroupOptions& options) {
    const CgroupLimits limits = limits_of(options);
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CgroupManager group =
        CgroupManager::create(hierarchy, group_path(hierarchy, options.path), limits);
    limit_swap_unasked(group, options);
    return group;
}

// Nothing when somebody else has removed the group meanwhile, as the owner of one above it may: no
// reason to forget how the command ended. ENODEV is what an open file of a gone group says.
std::optional<CgroupStats> stats_if_present(const CgroupManager& group) {
    try {
        return group.stats();
    } catch (const SysError& error) {
        if (error.error() != ENODEV && error.error() != ENOENT) throw;
        return std::nullopt;
    }
}

// An OOM kill is told in any case: an exit status of 137 alone could be anybody's SIGKILL.
void report(const CgroupManager& group, bool asked_for_stats) {
    const std::optional<CgroupStats> stats = stats_if_present(group);
    if (!stats) return;
    const std::string killed = oom_sentence(*stats);
    if (!killed.empty()) Log{FdRef{STDERR_FILENO}}.warning(killed);
    if (asked_for_stats) fmt::print(stderr, "{}", usage_table(*stats));
}

}  // namespace

void add_cgroup_mount(const NamespaceOptions& namespaces, const CgroupOptions& cgroup,
                      RootfsOptions& rootfs) {
    if (!cgroup.asks_for_group() || !namespaces.create.contains(Namespace::Cgroup)) return;
    if (rootfs.rootfs.empty()) return;
    MountStep step{};
    step.kind = MountKind::Filesystem;
    step.fstype = "cgroup2";
    step.target = "/sys/fs/cgroup";
    step.attributes = parse_mount_options("ro,nosuid,nodev,noexec").attributes;
    rootfs.mounts.insert(rootfs.mounts.begin(), std::move(step));
}

int run_in_cgroup(const NamespaceOptions& namespaces, const CgroupOptions& options,
                  const ChildMain& child_main) {
    if (!options.asks_for_group()) return run_in_namespaces(namespaces, child_main);
    const EndingSignals signals;  // from before the group is made until it is gone
    CgroupManager group = make_group(options);
    const int code = run_in_namespaces(
        namespaces, child_main,
        [&](const CloneArgs& args, const ChildMain& main) { return group.spawn(args, main); });
    report(group, options.stats);
    group.remove();
    return code;
}

}  // namespace tenon
