// A plan for this machine and this caller: what only they decide is filled in around plan_launch().
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "launch_parts.hpp"
#include "lifecycle_parts.hpp"
#include "tenon/attended.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/hooks.hpp"
#include "tenon/privileged_launch.hpp"
#include "tenon/process.hpp"
#include "tenon/rootfs_options.hpp"

namespace tenon {

namespace {

bool has_new_user_namespace(const oci::Spec& spec) {
    if (!spec.linux) return false;
    const auto& all = spec.linux->namespaces;
    return std::any_of(all.begin(), all.end(), [](const oci::LinuxNamespace& each) {
        return each.type == "user" && each.path.empty();
    });
}

// Who may make no namespaces but in one of users, and who wrote none of the ids in it: told in the
// words of a config, because there is nothing else here that could say it.
void require_ids(const oci::Spec& spec, const UsernsCaller& caller) {
    if (!caller.privileged && !has_user_namespace(spec)) {
        throw std::invalid_argument(
            "/linux/namespaces: there is no user namespace, and without one the others are root's: "
            "add {\"type\": \"user\"} and its maps, as `spec --rootless` writes them");
    }
    const bool mapped = spec.linux && !spec.linux->uid_mappings.empty();
    if (has_new_user_namespace(spec) && !mapped && caller.privileged && caller.on_the_machine) {
        throw std::invalid_argument(
            "/linux/uidMappings: a new user namespace has no ids: write which");
    }
}

bool may_lack_group(const LaunchRequest& request) {
    return request.rootless.value_or(::geteuid() != 0 || !in_initial_user_namespace());
}

bool machine_has_kcore() {
    return sys::fstatat_if_present(FdRef::working_directory(), "/proc/kcore").has_value();
}

// In the container it is the container's: what our caller has in his, is not for whoever is in
// there.
void complete_hooks(LaunchPlan& plan) {
    const std::vector<std::string> ours = current_environment();
    oci::Hooks& hooks = plan.hooks;
    hooks.prestart = with_environment(std::move(hooks.prestart), ours);
    hooks.create_runtime = with_environment(std::move(hooks.create_runtime), ours);
    hooks.create_container = with_environment(std::move(hooks.create_container), plan.process.env);
}

}  // namespace

LaunchPlan plan_here(oci::Spec& spec, const LaunchRequest& request, Extensions extensions) {
    const Surroundings here = own_surroundings(spec);
    require_ids(spec, here.caller);
    std::vector<std::string> changes = apply_userns_options({}, here.caller, spec);
    LaunchPlan plan = plan_launch(spec, request, here, extensions);
    use_mappings(spec, here.caller, plan.parts.namespaces);
    // Who gets the master by a socket has his own way with "\n"; engines count on the kernel's
    // default.
    if (plan.terminal) {
        plan.terminal->relayed = request.console == Console::Relay;
        if (plan.terminal->relayed) plan.terminal->size = size_when_relayed(plan.process);
    }
    plan.parts.mounts.moved_root = request.moved_root;
    plan.may_lack_group = may_lack_group(request);
    plan.filter_compiler = request.filter_compiler;
    if (machine_has_kcore()) add_core_link(plan.parts.mounts);
    plan.warnings.insert(plan.warnings.begin(), changes.begin(), changes.end());
    if (spec.hooks) complete_hooks(plan);
    return plan;
}

}  // namespace tenon
