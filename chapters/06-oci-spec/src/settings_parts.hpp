// The parts of apply_kernel_settings(). Internal to chapter 06.
#pragma once

#include "tenon/fd.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon {

// A folder of procfs (O_PATH), which is looked at before it is believed: in somebody else's
// container /proc may be anything.
UniqueFd open_procfs(const char* folder);

void apply_sysctls(const oci::Linux& config, const NamespaceOptions& namespaces);

// The CPU list or node list `0-2,7` as a mask. Throws std::invalid_argument.
std::vector<unsigned long> parse_node_list(const std::string& list);

}  // namespace tenon
