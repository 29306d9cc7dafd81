/// @file
/// Chapter 09, mounts with other owners: the same files, seen through a map.
///
/// A container's root is uid 100000 outside, and the files of a volume belong to uid 0 or 1000.
/// chown would change them for everybody. An idmapped mount changes who they belong to in this one
/// mount, and what is made through it gets the right owner on disk.
/// @see \man{mount_setattr,2}, "ID-mapped mounts"
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tenon/bundle_plan.hpp"
#include "tenon/fd.hpp"
#include "tenon/id_mappings.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon {

/// A mount of a config that is to be mapped.
struct IdmapRequest {
    std::size_t step = 0;    ///< its place in the plan
    bool recursive = false;  ///< `ridmap`: with all mounts below
    IdMappings mappings;     ///< empty: those of the container
};
/// Pure. @throws std::invalid_argument  a mount that is no bind mount; the container has no user
///         namespace whose maps could be meant
std::vector<IdmapRequest> idmap_requests(const oci::Spec& spec, const MountPlan& plan);

/// How a tree is cloned and mapped.
struct IdmapTree {
    std::string source;        ///< relative to the directory; empty: itself
    bool recursive = false;    ///< with the mounts below it
    bool map_all = false;      ///< and those mapped, too
    bool private_tree = true;  ///< cut off from its source
};
/// A clone of a mount, attached nowhere, in which ids are mapped by @p user_namespace: what is
/// container_id on disk is seen as host_id.
/// @throws SysError  open_tree; idmap mount: EINVAL (its file system cannot), EPERM (not the
///         caller's file system)
UniqueFd clone_idmapped(FdRef directory, const IdmapTree& wanted, FdRef user_namespace);

/// The trees that only the parent can make: idmapped ones need CAP_SYS_ADMIN over the file system.
struct PreparedTrees {
    std::vector<UniqueFd> trees;   ///< what steps of the plan refer to
    std::optional<UniqueFd> root;  ///< with --idmap-rootfs
};
/// Parent side. Sets MountStep::tree of each step of @p plan that is to be mapped. For a container
/// with a user namespace their flags are locked, as those of other mounts are.
/// @throws as idmap_requests(), make_user_namespace() and clone_idmapped()
PreparedTrees prepare_trees(const Bundle& bundle, bool idmap_rootfs, MountPlan& plan);

}  // namespace tenon
