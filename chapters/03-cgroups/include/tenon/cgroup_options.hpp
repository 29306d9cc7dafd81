/// @file
/// The command-line options that chapter 03 adds to those of chapters 01 and 02.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tenon/cgroup.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/rootfs_options.hpp"

namespace tenon {

/// What `chNN run` was asked for, as far as chapter 03 is concerned.
struct CgroupOptions {
    CgroupLimits limits;
    std::optional<std::uint64_t> memory_and_swap;  ///< --memory-swap: bytes of both together
    std::string path;                              ///< --cgroup-path; empty: a new name
    bool stats = false;                            ///< --stats
    bool make_above = false;  ///< chapter 06: groups above it that are missing are made, too

    /// A group is made when something asks for one.
    [[nodiscard]] bool asks_for_group() const {
        return !limits.empty() || memory_and_swap.value_or(no_limit) != no_limit || !path.empty() ||
               stats;
    }
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it.
void declare_cgroup_options(CLI::App& run, CgroupOptions& options);

/// With a group, a cgroup namespace and a root file system: cgroup2, read-only, at /sys/fs/cgroup.
void add_cgroup_mount(const NamespaceOptions& namespaces, const CgroupOptions& cgroup,
                      RootfsOptions& rootfs);

/// What the parent does for a child that waits, when its ids are mapped and before it goes on.
using PrepareChild = std::function<void(const Child& child)>;

/// run_in_namespaces(), in a group of its own when the options ask for one. Reports an OOM kill,
/// and with --stats what was used, on standard error; removes the group in the end.
/// @param prepare  a later chapter's part of the preparation, if any
/// @throws what CgroupManager::create(), run_in_namespaces() and @p prepare throw
int run_in_cgroup(const NamespaceOptions& namespaces, const CgroupOptions& options,
                  const ChildMain& child_main, const PrepareChild& prepare = {});

/// What --stats prints: a line for each thing that was used, with the limit that held it back.
std::string usage_table(const CgroupStats& stats);

/// `out of memory: the kernel killed ...`; empty when it did not.
std::string oom_sentence(const CgroupStats& stats);

}  // namespace tenon
