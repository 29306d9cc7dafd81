// The parts of launch(). Internal to chapter 10.
#pragma once

#include "tenon/ending.hpp"
#include "tenon/hooks.hpp"
#include "tenon/launch.hpp"

namespace tenon {

// The filter compiled, warnings told, and opened what the child cannot open.
PreparedPrivileges prepare_for_child(LaunchPlan& plan, const Bundle& bundle);

// The mount namespace of others that the container is to live in; invalid where it has its own.
UniqueFd open_shared_mounts(const BundlePlan& parts);

// Nothing where the plan asks for none, or has somebody else make it. Calls ground.on_place()
// before anything is made, and the extensions when it is there.
std::optional<MadeGroup> make_own_group(const LaunchPlan& plan, const LaunchGround& ground);

// Into the group, or with a group made around it; the child waits only where somebody has to see
// it. All three must outlive it.
Spawner spawner_for(std::optional<MadeGroup>& group, const LaunchPlan& plan,
                    const LaunchGround& ground);

// The child's next Ready. Throws what the child throws, and EndedBySignal.
void expect_ready(const Child& child, const EndingSignals& signals);

}  // namespace tenon
