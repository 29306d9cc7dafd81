/// @file
/// Chapter 06, the translation: what chapters 01 to 05 have to do for a config.json.
///
/// Pure, but for open_bundle() and enter_bundle(): the words of the specification become those of
/// the chapters before. What they cannot say (users, capabilities, seccomp ...) is left to the
/// chapters that can: each stage program names what it does not do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenon/cgroup_options.hpp"
#include "tenon/fd.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/rootfs.hpp"

namespace CLI {
class App;
}

namespace tenon {

/// A bundle, open: nothing of it is looked up by its path again.
struct Bundle {
    oci::Spec spec;
    UniqueFd directory;  ///< O_PATH, as rootfs
    UniqueFd rootfs;
    std::string path;
    std::string config;  ///< the text that the spec was read from
};

/// Opens the folder @p path, reads and judges its config.json, and opens root.path. A relative
/// root.path must not leave the bundle, not by a link either; an absolute one must not be a link.
/// In the spec, a cgroup mount without a cgroup namespace becomes a bind of the host's, read-only.
/// @param config_file  a path of the caller's, read instead of its config.json; empty: none
/// @throws SysError  open bundle: ENOENT; open rootfs: ENOENT, ENOTDIR; EXDEV, ELOOP (it leads out
///         of the bundle, or is a link); std::invalid_argument  a sysctl; oci::InvalidSpec
Bundle open_bundle(const std::string& path, const std::string& config_file = {});

/// What the command line says instead of config.json. An empty command says nothing.
void replace_command(oci::Spec& spec, const std::vector<std::string>& command);

/// The root of a bundle, in the mount namespace of whoever opened it.
struct BundleRoot {
    UniqueFd place;  ///< the folder
    UniqueFd tree;   ///< a clone of it with all mounts below, attached nowhere
};
/// Child side. A mount namespace has its own view of all folders, so the bundle and its root are
/// opened again there, and must be the ones that open_bundle() saw. The bundle's folder becomes the
/// working directory: bind sources are looked up from there.
/// @throws SysError  as open_bundle(); ESTALE
BundleRoot open_bundle_root(const Bundle& bundle, const MountPlan& mounts);
/// Child side: the first half of it, prepare_root(). @return the new root, for change_root()
UniqueFd prepare_bundle_root(const BundleRoot& root, const MountPlan& mounts);
/// Child side: the root changes to @p root. @throws SysError  as enter_root()
void enter_bundle_root(const BundleRoot& root, const MountPlan& mounts);

/// Child side: both, one after the other.
void enter_bundle(const Bundle& bundle, const MountPlan& mounts);

/// A mount namespace that a container is to live in, and others do already.
struct SharedMounts {
    std::string path;  ///< its file; empty: the caller's own namespace
};

/// What chapters 01 to 05 do for a spec.
struct BundlePlan {
    NamespaceOptions namespaces;  ///< with join paths, names, and process.args as command
    MountPlan mounts;
    CgroupOptions cgroup;
    std::optional<SharedMounts> shared_mounts;  ///< chapter 10; none: a new one
};

/// Whether whoever carries a plan out can do without a mount namespace of the container's own.
enum class OwnMounts { Required, Optional };

/// @param in_initial_user_namespace  whether the caller's root is the machine's
/// @throws std::invalid_argument  what chapters 01 to 05 refuse; no process; no mount namespace,
///         where one is required, or where that of others cannot be shared
BundlePlan plan_bundle(const oci::Spec& spec, bool in_initial_user_namespace,
                       OwnMounts own_mounts = OwnMounts::Required);

/// The limits of cgroup v2 for `linux.resources`. Zero and empty values ask for nothing.
/// @throws std::invalid_argument  a value that v2 cannot express
/// @see runtime-spec config-linux.md, "Control groups"
CgroupLimits limits_from(const oci::Resources& resources);

/// cgroup v1's cpu.shares (2 to 262144) as v2's cpu.weight (1 to 10000): both ends and both
/// defaults, 1024 and 100, meet.
std::uint64_t weight_from_shares(std::uint64_t shares);
/// cgroup v1's blkio.weight (10 to 1000) as v2's io.weight (1 to 10000).
std::uint64_t weight_from_blkio(std::uint64_t weight);

/// The mounts of @p spec, its devices, its masked and read-only paths, in the order in which they
/// are carried out.
/// @throws std::invalid_argument  a destination that would hide what protects the host
MountPlan mounts_from(const oci::Spec& spec, bool in_initial_user_namespace);

/// What a stage program does for a spec beyond chapter 05.
struct Abilities {
    bool init = false;         ///< chapter 07: process.terminal
    bool privileges = false;   ///< chapter 08: capabilities, seccomp, labels, no_new_privileges
    bool id_mappings = false;  ///< chapter 09
    bool hooks = false;        ///< chapter 10
};
/// One text for each thing that @p spec asks for and the stage does not do: `hooks (chapter 10)`.
std::vector<std::string> beyond(const oci::Spec& spec, const Abilities& abilities);

/// Tells each of beyond() on standard error.
void warn_of_beyond(const oci::Spec& spec, const Abilities& abilities);

/// Adds `--bundle DIR` to @p run.
void declare_bundle_option(CLI::App& run, std::string& bundle);

}  // namespace tenon
