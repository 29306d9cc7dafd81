// Groups that a container made in its own. Internal to chapter 03.
#pragma once

#include "tenon/fd.hpp"

namespace tenon {

// Removes every group below `group`, which must be empty of processes, the lowest first. The tree
// may be deeper than there are descriptors. Throws SysError unlinkat: EBUSY, EACCES.
void remove_groups_below(FdRef group);

}  // namespace tenon
