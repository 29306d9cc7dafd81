// ch08: ch07 with no more privileges than config.json lists.
#include "tenon/attended.hpp"
#include "tenon/bundle_plan.hpp"
#include "tenon/network_options.hpp"
#include "tenon/privileged_exec.hpp"
#include "tenon/privileged_launch.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"
#include "tenon/unwritable.hpp"

namespace {

using Arguments = std::span<char* const>;

struct RunOptions {
    tenon::NamespaceOptions launch;
    tenon::NetworkOptions network;
    tenon::AttendOptions attend;
    tenon::PrivilegeOptions privileges;
    std::string bundle = ".";
};

int run(RunOptions& options, Arguments arguments) {
    tenon::protect_own_binary(arguments);
    tenon::apply_explain(options.launch);
    tenon::Bundle bundle = tenon::open_bundle(options.bundle);
    tenon::replace_command(bundle.spec, options.launch.command);
    const tenon::CallerPowers powers = tenon::own_powers(tenon::has_user_namespace(bundle.spec));
    bundle.spec = tenon::apply_privilege_options(bundle.spec, options.privileges, powers);
    tenon::warn_of_beyond(bundle.spec, {.init = true, .privileges = true});
    const tenon::oci::Process& process = *bundle.spec.process;
    const tenon::Privileges privileges = tenon::decide_privileges(bundle.spec, process, powers);
    tenon::BundlePlan plan = tenon::plan_bundle(bundle.spec, tenon::in_initial_user_namespace());
    tenon::apply_mount_label(privileges.labels.mount_label, plan.mounts);
    plan.namespaces.pid_file = options.launch.pid_file;
    tenon::apply_network_mode(options.network, plan.namespaces);
    tenon::PreparedPrivileges prepared =
        tenon::prepare_privileges(privileges, bundle.spec, bundle.path, "creating");
    tenon::Attended attended(options.attend, process, tenon::own_program(arguments));
    attended.check(plan.namespaces.create);
    plan.namespaces.attendant = attended.attendant();
    const auto child_main = [&](tenon::SyncSocket& to_parent) -> int {
        tenon::apply_names(plan.namespaces);
        tenon::bring_up_own_loopback(options.network, plan.namespaces);
        tenon::apply_kernel_settings(bundle.spec, plan.namespaces);
        tenon::enter_bundle(bundle, plan.mounts);
        tenon::become_process(attended, process, privileges, prepared, to_parent);
    };
    return tenon::run_in_network(options.network, plan.namespaces, plan.cgroup, child_main);
}

}  // namespace

int main(int argc, char** argv) {
    tenon::StageApp stage{"ch08", "a container with the privileges that its config lists",
                          tenon::version_text("ch08", 8)};
    const Arguments arguments{argv, static_cast<std::size_t>(argc)};
    RunOptions for_run;
    CLI::App& run_verb = stage.add_verb("run", "run the container of a bundle");
    tenon::declare_launch_options(run_verb, for_run.launch);
    tenon::declare_bundle_option(run_verb, for_run.bundle);
    tenon::declare_network_options(run_verb, for_run.network);
    tenon::declare_init_options(run_verb, for_run.attend);
    tenon::declare_privilege_options(run_verb, for_run.privileges);
    tenon::ExecOptions for_exec;
    tenon::JoinOptions join;
    CLI::App& exec_verb = stage.add_verb("exec", "run one more command in a container");
    tenon::declare_launch_options(exec_verb, for_exec.namespaces);
    tenon::declare_exec_options(exec_verb, for_exec);
    tenon::declare_join_options(exec_verb, join);
    CLI::App& filter_verb = stage.add_verb("filter", "print linux.seccomp as pseudo-code");
    tenon::declare_bundle_option(filter_verb, for_run.bundle);
    const auto run_body = [&] { return run(for_run, arguments); };
    const auto exec_body = [&] { return tenon::exec_in_container(for_exec, join, arguments); };
    const auto filter_body = [&] { return tenon::print_filter(for_run.bundle); };
    return tenon::run_verbs(stage.app(), arguments,
                            {{&run_verb, run_body, &for_run.launch.command, true},
                             {&exec_verb, exec_body, &for_exec.namespaces.command, true},
                             {&filter_verb, filter_body}});
}
