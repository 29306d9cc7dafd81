// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// The parent's side: what only the host can give is made here, in an order in which each thing can
// still be taken back. Whatever fails, what was made before goes in reverse: the child first, then
// its group. The chart of what is said to the child is in launch.hpp.
#include "tenon/launch.hpp"
#include "launch_parts.hpp"
#include "tenon/ending.hpp"
#include "tenon/idmapped_mounts.hpp"
#include "tenon/trace.hpp"
#include "tenon/todo.hpp"

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
    // TASK 10.3  the parent's side of a launch  (40 points)
    // man: clone(2), cgroups(7)
    // hint: What can only the host give, and what must be there before the child is? Whatever
    //   fails in the middle has to go again: in which order are local variables destroyed?
    // more: ./course hint 10.3
    TENON_TODO("10.3");
}

}  // namespace tenon
