/// @file
/// The command-line options that chapter 02 adds to those of chapter 01.
#pragma once

#include <string>
#include <vector>

#include "tenon/mount_plan.hpp"
#include "tenon/namespace_options.hpp"

namespace tenon {

/// What `chNN run` was asked for, as far as chapter 02 is concerned.
struct RootfsOptions {
    std::string rootfs;             ///< --rootfs; empty only when a mount namespace is joined
    bool readonly = false;          ///< --read-only
    std::vector<MountStep> mounts;  ///< --bind and --tmpfs, in the order given
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it.
void declare_rootfs_options(CLI::App& run, RootfsOptions& options);

/// Chapter 02's default: a container that asks for no namespace by name gets all eight, and one
/// that has a root file system always has its own mount namespace.
/// @throws std::invalid_argument  --rootfs missing, or given together with a joined mount
///         namespace; or the process to join has no mount namespace of its own
/// @throws SysError  pidfd_open: ESRCH for a process to join that does not exist; openat: EACCES
void complete_namespaces(NamespaceOptions& namespaces, const RootfsOptions& rootfs);

/// Whether this process is in the machine's first user namespace, where root is root.
/// @throws SysError  stat: ENOENT without a /proc
bool in_initial_user_namespace();

/// The plan for these options; empty without --rootfs. Makes no system call.
/// @throws std::invalid_argument  see default_mount_plan()
MountPlan plan_mounts(const NamespaceOptions& namespaces, const RootfsOptions& rootfs,
                      bool in_initial_user_namespace);

/// PATH, HOME and TERM: nothing else of the host's environment goes inside.
std::vector<std::string> container_environment();

}  // namespace tenon
