// Removal of what a container or an archive left. Internal to chapter 04.
#pragma once

#include <string>

#include "tenon/fd.hpp"

namespace tenon {

// Removes `name` in `parent` with all that is below it, whatever that is: never through a link, and
// with one descriptor however deep it is. What is gone already is no error, so that several
// processes may remove the same tree. @throws SysError  of the call that was refused
void remove_tree(FdRef parent, const std::string& name);

}  // namespace tenon
