// Between the plan and the machine, on the parent's side.
#include "launch_parts.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/messages.hpp"
#include "tenon/privileged_launch.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/seccomp_cache.hpp"

namespace tenon {

Surroundings own_surroundings(const oci::Spec& spec) {
    const bool labels = spec.process && asks_for_labels(spec, *spec.process);
    return {.powers = own_powers(has_user_namespace(spec), labels),
            .caller = userns_caller_without_ranges()};
}

bool has_early_hooks(const oci::Hooks& hooks) {
    return !hooks.prestart.empty() || !hooks.create_runtime.empty();
}

PreparedPrivileges prepare_for_child(LaunchPlan& plan, const Bundle& bundle) {
    compile_filter(bundle.spec, seccomp::default_cache_folder(), plan.privileges, plan.warnings,
                   plan.filter_compiler);
    PreparedPrivileges prepared =
        prepare_privileges(plan.privileges, bundle.spec, bundle.path, "creating");
    prepared.told_to_agent.id = plan.id;
    prepared.outlives_parent = true;
    for (const std::string& text : plan.warnings) tell_warning(text);
    return prepared;
}

namespace {

// `fd` in a tmpfs at /dev, `dev/fd` in one that is the root. Nothing where the name is taken.
std::optional<TreeEntry> core_beside_fd(const std::vector<TreeEntry>& there) {
    const auto link = std::find_if(there.begin(), there.end(), [](const TreeEntry& each) {
        return each.link_target == "/proc/self/fd";
    });
    if (link == there.end()) return std::nullopt;
    TreeEntry core = *link;
    core.name.replace(core.name.size() - 2, 2, "core");
    core.link_target = "/proc/kcore";
    const bool taken = std::any_of(there.begin(), there.end(),
                                   [&](const TreeEntry& each) { return each.name == core.name; });
    return taken ? std::nullopt : std::optional{core};
}

}  // namespace

void add_core_link(MountPlan& mounts) {
    for (MountStep& step : mounts.steps) {
        const std::optional<TreeEntry> core = core_beside_fd(step.contents);
        if (core) step.contents.push_back(*core);
    }
}

namespace {

// Somebody has made it for us, or a machine that broke down has left it: then nobody is in it. It
// stays when the launch fails, and goes with the container.
MadeGroup take_empty_group(const CgroupHierarchy& hierarchy, const CgroupOptions& options) {
    CgroupManager group = CgroupManager::open(hierarchy, options.path.substr(1));
    if (is_populated(group.directory())) {
        throw std::runtime_error("container's cgroup is not empty: " + options.path);
    }
    group.apply(options.limits);
    return {{}, std::move(group)};
}

// An ordinary user has no right to groups, unless somebody gave it: a container that asks for no
// limits stays in its starter's, as from every runtime.
bool may_do_without(const SysError& error, const CgroupOptions& options) {
    const bool no_right =
        error.error() == EACCES || error.error() == EPERM || error.error() == EROFS;
    return no_right && options.limits.empty();
}

// By cgroupfs, as chapter 03 does.
std::optional<MadeGroup> make_by_cgroupfs(const LaunchPlan& plan, const LaunchGround& ground) {
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CgroupOptions options = plan.parts.cgroup;
    options.path = "/" + place_for_group(hierarchy, options);
    if (ground.on_place) ground.on_place(hierarchy, options.path.substr(1));
    try {
        return make_group(hierarchy, options);
    } catch (const SysError& error) {
        if (error.error() == EEXIST) return take_empty_group(hierarchy, options);
        if (!plan.may_lack_group || !may_do_without(error, options)) throw;
        return std::nullopt;
    }
}

// By an extension, around the child.
MadeGroup make_by_extension(const LaunchPlan& plan, const LaunchGround& ground,
                            const Child& child) {
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    const std::string place = plan.group_maker->place(hierarchy);
    if (ground.on_place) ground.on_place(hierarchy, place);
    CgroupManager group = plan.group_maker->make(hierarchy, plan.parts.cgroup.limits, child);
    if (ground.on_place && group.path() != place) ground.on_place(hierarchy, group.path());
    return {{}, std::move(group)};
}

void tell_group_ready(const MadeGroup& group, const LaunchGround& ground) {
    for (LaunchExtension* each : ground.extensions) each->on_cgroup_ready(group.group);
}

// As `args`, which has to outlive it, and then every extension is asked while the child waits.
CloneArgs asking_extensions(const CloneArgs& args, Extensions extensions) {
    CloneArgs waiting = args;
    const bool some_act =
        std::any_of(extensions.begin(), extensions.end(),
                    [](const LaunchExtension* one) { return one->acts_on_child(); });
    if (!some_act) return waiting;
    waiting.prepare = [&args, extensions](const Child& child) {
        if (args.prepare) args.prepare(child);
        for (LaunchExtension* each : extensions) each->on_child_created(child);
    };
    return waiting;
}

}  // namespace

std::optional<MadeGroup> make_own_group(const LaunchPlan& plan, const LaunchGround& ground) {
    if (!plan.own_group || plan.group_maker != nullptr) return std::nullopt;
    std::optional<MadeGroup> group = make_by_cgroupfs(plan, ground);
    if (group) tell_group_ready(*group, ground);
    return group;
}

void expect_ready(const Child& child, const EndingSignals& signals) {
    signals.wait_for(child.socket().fd());
    child.socket().expect(SyncKind::Ready);
}

Spawner spawner_for(std::optional<MadeGroup>& group, const LaunchPlan& plan,
                    const LaunchGround& ground) {
    return [&](const CloneArgs& args, const ChildMain& child_main) {
        const CloneArgs waiting = asking_extensions(args, ground.extensions);
        if (group) return group->group.spawn(waiting, child_main);
        if (plan.group_maker == nullptr) return spawn(waiting, child_main);
        return spawn_and_place(waiting, child_main, [&](const Child& child) {
            group.emplace(make_by_extension(plan, ground, child));
            tell_group_ready(*group, ground);
        });
    };
}

}  // namespace tenon
