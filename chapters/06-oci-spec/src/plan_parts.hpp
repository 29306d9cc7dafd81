// The parts of a plan that mounts_from() puts together. Internal to chapter 06.
#pragma once

#include <string>

#include "tenon/mount_plan.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon {

// `/a//b/../c` as `/a/c`; a relative one is meant from "/".
std::string clean_path(const std::string& path);

// Whether a clean path lies below a folder other than "/".
bool lies_in(const std::string& path, const std::string& folder);

// A tmpfs that is read-only from birth could not be filled; its mount is, in the end.
void let_be_filled(MountStep& step);

// The step for the mount number `index` of the config.
MountStep mount_step(const oci::Mount& mount, std::size_t index);

// Adds the default devices, the config's, and the links in /dev. Those that lie in a tmpfs of the
// plan become part of it; others are made in the folder that is there.
void add_devices(MountPlan& plan, const oci::Spec& spec, bool nodes_allowed);

// Whether the config lists a namespace of that kind, new or with a path.
bool lists(const oci::Spec& spec, Namespace kind);
// Whether the config asks for a new namespace of that kind.
bool creates(const oci::Spec& spec, Namespace kind);

}  // namespace tenon
