// What a launch does is decided before anything is done: a plan can be read, tested and refused
// without a container. Each part is decided by the chapter that knows it.
#include <stdexcept>

#include "tenon/attended.hpp"
#include "tenon/launch.hpp"

namespace tenon {

namespace {

// A terminal has to go somewhere, and a socket needs something to be sent.
[[maybe_unused]] void check_console(const oci::Process& process, const LaunchRequest& request) {
    if (process.terminal && request.console == Console::None) {
        throw std::invalid_argument(
            "cannot allocate tty if runc will detach without setting console socket");
    }
    if (!process.terminal && request.console == Console::Socket) {
        throw std::invalid_argument(
            "cannot use console socket if runc will not detach or allocate tty");
    }
}

[[maybe_unused]] TerminalRequest terminal_for(const oci::Process& process) {
    return {.size = size_by_config(process), .owner = process.user.uid};
}

// Its name where the config gives none, and every group above it: engines count on both.
[[maybe_unused]] void name_group(const std::string& id, CgroupOptions& group) {
    if (group.path.empty()) group.path = id;
    group.make_above = true;
}

}  // namespace

LaunchPlan plan_launch(const oci::Spec& spec, const LaunchRequest& request,
                       const Surroundings& here, Extensions extensions) {
    // BEGIN SOLUTION 10.2
    if (!spec.process) throw std::invalid_argument("config.json has no process: nothing to run");
    check_console(*spec.process, request);
    LaunchPlan plan{.id = request.id,
                    .oci_version = spec.oci_version,
                    .annotations = spec.annotations,
                    .process = *spec.process,
                    .parts = plan_bundle(spec, here.caller.on_the_machine, OwnMounts::Optional),
                    .preserved_descriptors = request.preserved_descriptors,
                    .own_group = request.own_group,
                    .new_keyring = request.new_keyring};
    if (spec.hooks) plan.hooks = *spec.hooks;
    plan.privileges = privileges_from(spec, plan.process, here.powers, plan.warnings);
    apply_mount_label(plan.privileges.labels.mount_label, plan.parts.mounts);
    if (plan.process.terminal) plan.terminal = terminal_for(plan.process);
    std::vector<std::string>& environment = plan.process.env;
    environment.insert(environment.end(), request.environment.begin(), request.environment.end());
    name_group(plan.id, plan.parts.cgroup);
    // Last: they see, and may change, everything that was decided.
    for (LaunchExtension* extension : extensions) extension->extend_plan(plan);
    return plan;
    // END SOLUTION
}

}  // namespace tenon
