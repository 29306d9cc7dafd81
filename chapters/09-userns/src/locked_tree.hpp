// Locks on a tree of mounts.
#pragma once

#include <string>

#include "tenon/fd.hpp"

namespace tenon {

/// A clone of the detached @p tree, whose flags nobody with rights in @p user_namespace alone can
/// take away, and whose mounts do not reach the ones it was cloned from.
/// @throws SysError  clone3, move_mount, setns, unshare, open_tree
UniqueFd lock_tree(FdRef tree, FdRef user_namespace, const std::string& subject);

}  // namespace tenon
