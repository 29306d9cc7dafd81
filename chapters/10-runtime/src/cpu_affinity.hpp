// On which CPUs a process that joins a container runs. Internal to chapter 10.
#pragma once

#include <string>
#include <vector>

#include "tenon/oci_spec.hpp"

namespace tenon {

// Pure. `0-2,7` as a mask for sched_setaffinity(2). Throws std::invalid_argument  no such list, or
// numbers above 8191
std::vector<unsigned long> parse_cpu_mask(const std::string& list);

// Who joins, before there is a child: `initial`, which the child inherits.
void apply_initial_affinity(const oci::Process& process);
// The child, in the container's group: `final`; without one, every CPU that the group may use.
void apply_final_affinity(const oci::Process& process);

}  // namespace tenon
