// A group around a container's life: made before it, asked after it, removed in any case.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <random>
#include <stdexcept>

#include "group_paths.hpp"
#include "tenon/cgroup_options.hpp"
#include "tenon/container_group.hpp"
#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/hints.hpp"
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
    if (options.limits.unified.contains("memory.swap.max")) return;
    const trace::Step step{3, "limit swap, too", "a limit on memory alone would fill the disk"};
    if (!read_kernel_file_if_present(group.directory(), "memory.swap.max")) return;
    CgroupLimits swap;
    swap.swap_max = options.limits.memory_max;
    group.apply(swap);
}

// Between our mkdir of a group above and that of the group, another container that ends may remove
// what it made and sees empty.
MadeGroup make_path(const CgroupHierarchy& hierarchy, const std::string& path,
                    const CgroupLimits& limits) {
    constexpr int attempts = 100;
    for (int attempt = 1;; ++attempt) {
        try {
            GroupsAbove above{hierarchy, path};
            return {std::move(above), CgroupManager::create(hierarchy, path, limits)};
        } catch (const SysError& error) {
            const bool vanished = error.error() == ENOENT && error.call() == "create cgroup";
            if (!vanished || attempt == attempts) throw;
        }
    }
}

// What goes wrong after the command has ended is told, and does not change how it ended.
template <typename Body>
void tell_failure(const Body& body) {
    try {
        body();
    } catch (const SysError& error) {
        Log{FdRef{STDERR_FILENO}}.warning(with_advice(error));
    }
}

// An OOM kill is told in any case: an exit status of 137 alone could be anybody's SIGKILL.
void report(const CgroupManager& group, bool asked_for_stats) {
    const CgroupStats stats = group.stats();
    const Log log{FdRef{STDERR_FILENO}};
    const std::string killed = oom_sentence(stats);
    if (!killed.empty()) log.warning(killed);
    if (asked_for_stats) log.plain(usage_table(stats));
}

// Somebody else may have removed the group meanwhile, as the owner of one above it may: ENODEV is
// what an open file of a gone group says.
void report_if_present(const CgroupManager& group, bool asked_for_stats) {
    tell_failure([&] {
        try {
            report(group, asked_for_stats);
        } catch (const SysError& error) {
            if (error.error() != ENODEV && error.error() != ENOENT) throw;
        }
    });
}

// After what args.prepare does already: a network is moved into a child whose ids are mapped.
Spawner prepared_by(const PrepareChild& prepare, const Spawner& spawner) {
    if (!prepare) return spawner;
    return [=](const CloneArgs& args, const ChildMain& child_main) {
        CloneArgs waiting = args;
        waiting.prepare = [&](const Child& child) {
            if (args.prepare) args.prepare(child);
            prepare(child);
        };
        return spawner(waiting, child_main);
    };
}

}  // namespace

std::string place_for_group(const CgroupHierarchy& hierarchy, const CgroupOptions& options) {
    if (options.path.starts_with('/')) return options.path.substr(1);
    const std::string parent = delegated_group(hierarchy);
    vacate(hierarchy, parent);
    return file_in(parent, options.path.empty() ? new_name() : options.path);
}

MadeGroup make_group(const CgroupHierarchy& hierarchy, const CgroupOptions& options) {
    const CgroupLimits limits = limits_of(options);
    const std::string path = place_for_group(hierarchy, options);
    MadeGroup made = options.make_above
                         ? make_path(hierarchy, path, limits)
                         : MadeGroup{{}, CgroupManager::create(hierarchy, path, limits)};
    limit_swap_unasked(made.group, options);
    return made;
}

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
                  const ChildMain& child_main, const PrepareChild& prepare) {
    if (!options.asks_for_group()) {
        return run_in_namespaces(namespaces, child_main, prepared_by(prepare, spawn));
    }
    const EndingSignals signals;            // from before the group is made until it is gone
    static_cast<void>(limits_of(options));  // what makes no sense is told first, on any machine
    MadeGroup made = make_group(open_cgroup_hierarchy(), options);
    CgroupManager& group = made.group;
    const Spawner spawner = prepared_by(prepare, [&](const CloneArgs& args, const ChildMain& main) {
        return group.spawn(args, main);
    });
    try {
        const int code = run_in_namespaces(namespaces, child_main, spawner);
        report_if_present(group, options.stats);
        tell_failure([&] { group.remove(); });
        return code;
    } catch (const EndedBySignal&) {
        report_if_present(group, options.stats);
        throw;
    }
}

}  // namespace tenon
