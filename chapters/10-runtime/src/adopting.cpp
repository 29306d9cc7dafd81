// create() with another way to make the first process: everything around it is the same, and in the
// same order, so that whoever is killed in the middle leaves what delete can read.
#include <csignal>
#include <stdexcept>

#include "launch_parts.hpp"
#include "lifecycle_parts.hpp"
#include "tenon/container.hpp"
#include "tenon/ending.hpp"
#include "tenon/hooks.hpp"
#include "tenon/rollback.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

void run_creating_hooks(const LaunchPlan& plan, const LaunchGround& ground, pid_t pid,
                        const EndingSignals& signals) {
    if (!has_early_hooks(plan.hooks)) return;
    const std::string state = ground.state("creating", pid);
    const FdRef folder = ground.bundle.directory;
    run_hooks("prestart", plan.hooks.prestart, state, folder, &signals);
    run_hooks("createRuntime", plan.hooks.create_runtime, state, folder, &signals);
}

void keep_group(std::optional<MadeGroup>& group) {
    if (!group) return;
    group->group.keep();
    group->above.keep();
}

}  // namespace

NewContainer Container::adopt(const ContainerRoot& root, const LaunchRequest& request,
                              Bundle bundle, Extensions extensions, const Adoption& adoption) {
    const trace::Step step{10, "adopt", "somebody else makes the first process"};
    const EndingSignals signals;
    check_id(request.id);
    LaunchPlan plan = plan_here(bundle.spec, request, extensions);
    if (plan.group_maker != nullptr) {
        throw std::invalid_argument("restore: systemd makes no group for it; use cgroupfs");
    }
    Container made{ContainerFolder::make(root, request.id), record_for(request, bundle)};
    Rollback rollback;
    rollback.add([&] { made.folder_.remove(); });
    const FileLock lock = made.folder_.lock();
    made.folder_.write_config(bundle.config);
    rollback.add([&] { run_poststop(made.record_, bundle.spec); });
    const LaunchGround ground{
        .bundle = bundle,
        .extensions = extensions,
        .gate = {},
        .state = teller_of(made.record_),
        .on_place = [&](const CgroupHierarchy& hierarchy, const std::string& group) {
            note_place(plan, hierarchy, group, made.record_);
            made.folder_.write_record(made.record_);
        }};
    std::optional<MadeGroup> group = make_own_group(plan, ground);
    Adopted adopted = adoption({
        .plan = plan,
        .bundle = bundle,
        .folder = made.folder_,
        .group = group ? &group->group : nullptr,
        .on_namespaces =
            [&](const Child& first) {
                for (LaunchExtension* each : extensions) each->on_child_created(first);
                run_creating_hooks(plan, ground, first.pid(), signals);
            },
        .on_complete =
            [&](const Child& first, FdRef terminal) {
                note_process(first.pid(), made.record_);
                if (group) made.record_.groups_above = group->above.made();
                if (!group) made.record_.cgroup.clear();
                made.folder_.write_record(made.record_);
                hand_over(request, terminal, first.pid());
            },
    });
    keep_group(group);
    rollback.dismiss();
    return {std::move(made), std::move(adopted.first), std::move(adopted.terminal)};
}

}  // namespace tenon
