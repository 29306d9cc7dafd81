// Controllers on their way to a group, with the words for what stops them. Internal to chapter 03.
#pragma once

#include <string>

#include "tenon/cgroup.hpp"

namespace tenon {

// enable_controllers(), once it is known that no group on the way has processes of its own.
// Throws SysError "enable controllers" (EBUSY, EACCES), or std::runtime_error for a controller that
// the machine or a group above does not have.
void deliver_controllers(const CgroupHierarchy& hierarchy, const std::string& group,
                         const ControllerSet& wanted);

}  // namespace tenon
