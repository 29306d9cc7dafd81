// The parent's side: what only the host can give is made here, in an order in which each thing can
// still be taken back. Whatever fails, what was made before goes in reverse: the child first, then
// its group. The chart of what is said to the child is in launch.hpp.
#include "tenon/launch.hpp"
#include "launch_parts.hpp"
#include "tenon/ending.hpp"
#include "tenon/idmapped_mounts.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Until the child has made its root: hooks see all mounts, and may add to them. config.md, "Hooks"
[[maybe_unused]] void run_early_hooks(const LaunchPlan& plan, const LaunchGround& ground,
                                      const Child& child, const EndingSignals& signals) {
    if (!has_early_hooks(plan.hooks)) return;
    expect_ready(child, signals);
    const std::string state = ground.state("creating", child.pid());
    const FdRef folder = ground.bundle.directory;  // as with runc and crun
    run_hooks("prestart", plan.hooks.prestart, state, folder, &signals);
    run_hooks("createRuntime", plan.hooks.create_runtime, state, folder, &signals);
    child.socket().send(SyncKind::Go);
}

}  // namespace

Launched launch(LaunchPlan& plan, const LaunchGround& ground) {
    const trace::Step step{10, "launch", "everything up to the program, and nothing of it"};
    // BEGIN SOLUTION 10.3
    // A signal that asks us to end becomes an exception where we wait: what was made is taken back.
    const EndingSignals signals;
    // 1 What the child cannot open: the host's /proc, the seccomp agent; trees whose owners change;
    //   a mount namespace that it shares.
    PreparedPrivileges prepared = prepare_for_child(plan, ground.bundle);
    const PreparedTrees trees = prepare_trees(ground.bundle, false, plan.parts.mounts);
    const UniqueFd shared_mounts = open_shared_mounts(plan.parts);
    // 2 The group, with its limits, before there is anybody to be limited; nothing yet where
    //   somebody makes it around the child.
    std::optional<MadeGroup> group = make_own_group(plan, ground);
    // 3 The child, born in the group. It waits where somebody has to do something for it.
    TerminalChannel terminal;
    const auto child_main = [&](SyncSocket& to_parent) -> int {
        run_container({plan, ground, prepared, terminal, shared_mounts}, to_parent);
    };
    Child child =
        spawn_in_namespaces(plan.parts.namespaces, child_main, spawner_for(group, plan, ground));
    // 4 Between its mounts and its new root: what hooks are for.
    run_early_hooks(plan, ground, child, signals);
    // 5 All is done that can be done without running the program, or an error comes instead.
    expect_ready(child, signals);
    return {std::move(group), std::move(terminal), std::move(child)};
    // END SOLUTION
}

}  // namespace tenon
