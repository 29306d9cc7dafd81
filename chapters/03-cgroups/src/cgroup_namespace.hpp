// The one namespace whose place decides its content. Internal to chapter 03.
#pragma once

#include "tenon/namespaces.hpp"

namespace tenon {

// `args` without a cgroup namespace to create or to join: the child does that itself.
CloneArgs without_cgroup_namespace(const CloneArgs& args);

// `child_main`, after what without_cgroup_namespace() took away.
ChildMain with_cgroup_namespace_first(const CloneArgs& args, const ChildMain& child_main);

}  // namespace tenon
