/// @file
/// Chapter 03: spawn_in_cgroup() for a child that enters namespaces without a joiner.
#pragma once

#include "tenon/spawn_entering.hpp"

namespace tenon {

/// As spawn_in_cgroup(), by spawn_entering(), and with the same demands on @p args. Where the
/// kernel cannot clone into @p group, by a joiner after all.
Child spawn_entering_in_cgroup(FdRef group, const CloneArgs& args, const ChildMain& child_main);

}  // namespace tenon
