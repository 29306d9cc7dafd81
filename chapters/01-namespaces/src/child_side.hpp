// The child's frame around whatever it is to run. Internal to chapter 01.
#pragma once

#include "tenon/namespaces.hpp"

namespace tenon {

// Runs in the child, right after clone3, and never returns. Ties the child's life to its parent's
// and waits for Go, as far as `args` ask for it, runs `child_main`, and sends any exception to the
// parent before it exits.
[[noreturn]] void run_child(SyncSocket& to_parent, const CloneArgs& args,
                            const ChildMain& child_main) noexcept;

// Runs in the parent: the prepare step, and then Go, as far as the child waits for it.
void release_child(const Child& child, const CloneArgs& args);

// spawn() for a child that enters existing namespaces first.
Child spawn_through_joiner(const CloneArgs& args, const ChildMain& child_main);

}  // namespace tenon
