/// @file
/// Chapter 10, the contract of what is not in the spine: where a feature may take part in a launch.
///
/// A runtime has a hundred features, and a launch has one order. A feature that can be said by the
/// plan changes the plan; one that has to act gets a place in the order, and only there.
///
///     plan_launch()   extend_plan          pure: mounts, environment, limits
///     launch()        on_cgroup_ready      the group is there, with its limits, and nobody in it
///                     on_child_created     the child waits; its namespaces are there
///     run_container() BeforePivot          all mounts are made, "/" is still the host's
///                     BeforeDrop           in the container's root, with all rights
///                     BeforeExec           without them, started, and before the filter
#pragma once

#include <span>
#include <string>

#include "tenon/cgroup.hpp"
#include "tenon/namespaces.hpp"

namespace tenon {

struct LaunchPlan;

/// A place on the child's way.
enum class ChildStage { BeforePivot, BeforeDrop, BeforeExec };

/// One feature.
class LaunchExtension {
  public:
    LaunchExtension() = default;
    LaunchExtension(const LaunchExtension&) = delete;
    LaunchExtension& operator=(const LaunchExtension&) = delete;
    virtual ~LaunchExtension() = default;

    /// @throws std::invalid_argument  what the plan asks of it makes no sense
    virtual void extend_plan(LaunchPlan& plan) { static_cast<void>(plan); }
    /// Parent side. An exception ends the launch, and everything made for it goes.
    virtual void on_cgroup_ready(const CgroupManager& group) { static_cast<void>(group); }
    /// Whether on_child_created() does anything. Where none does, the child need not wait for us.
    [[nodiscard]] virtual bool acts_on_child() const { return true; }
    /// Parent side, as of on_cgroup_ready().
    virtual void on_child_created(const Child& child) { static_cast<void>(child); }
    /// Child side. What it changes in memory is seen by nobody else.
    virtual void in_child(ChildStage stage, const LaunchPlan& plan) {
        static_cast<void>(stage);
        static_cast<void>(plan);
    }
};

/// Who makes the group of a container, where the launch does not do it itself by cgroupfs.
///
/// A manager of groups, such as systemd, makes one around processes that there are. So it is asked
/// when the child is there and waits: what is said of on_cgroup_ready() changes with it, the child
/// is in the group by then.
class GroupMaker {
  public:
    GroupMaker() = default;
    GroupMaker(const GroupMaker&) = delete;
    GroupMaker& operator=(const GroupMaker&) = delete;
    virtual ~GroupMaker() = default;

    /// The group's path from the hierarchy's root. Nothing is made yet.
    virtual std::string place(const CgroupHierarchy& hierarchy) = 0;
    /// Makes it around @p child, with @p limits. What was made goes with this object, unless the
    /// launch succeeds. Its path may be another than was said before.
    virtual CgroupManager make(const CgroupHierarchy& hierarchy, const CgroupLimits& limits,
                               const Child& child) = 0;
};

/// Those of one launch, in the order in which they are asked.
using Extensions = std::span<LaunchExtension* const>;

}  // namespace tenon
