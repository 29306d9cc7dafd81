/// @file
/// Chapter 01: a child in existing namespaces without a joiner, for who executes one program in a
/// container and is busy with nothing else.
#pragma once

#include "tenon/namespaces.hpp"

namespace tenon {

/// As spawn(), but that the child enters what it joins by itself: all but the pid namespace, which
/// the caller lends it. The caller cannot be inspected from then on, for good.
/// @pre none of args.join is a user namespace: its root could look at the caller's memory in the
///      child
Child spawn_entering(const CloneArgs& args, const ChildMain& child_main);

}  // namespace tenon
