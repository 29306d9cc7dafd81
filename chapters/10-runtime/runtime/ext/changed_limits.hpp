// update: other limits for a group that there is. What is not given stays as it is; and what v2
// keeps in one file, or counts otherwise than the config does, is completed from the group.
#pragma once

#include "tenon/cgroup_limits.hpp"
#include "tenon/fd.hpp"
#include "tenon/oci_resources.hpp"

namespace tenon::ext {

// What has to be written into `group` for `wanted`: a quota alone keeps the period, a period alone
// the quota, and swap is counted from the memory limit that holds.
// Throws std::invalid_argument  as limits_from()
//        std::runtime_error     memory.checkBeforeUpdate, and more is in use than the new limit
CgroupLimits changed_limits(oci::Resources wanted, FdRef group);

}  // namespace tenon::ext
