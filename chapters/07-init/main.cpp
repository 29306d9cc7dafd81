// ch07: ch06 with an init, a terminal, a parent that attends; and exec into what runs.
#include "tenon/attended.hpp"
#include "tenon/bundle_plan.hpp"
#include "tenon/network_options.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/program.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/running_container.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"
#include "tenon/unwritable.hpp"

namespace {

using Arguments = std::span<char* const>;

struct RunOptions {
    tenon::NamespaceOptions launch;
    tenon::NetworkOptions network;
    tenon::AttendOptions attend;
    std::string bundle = ".";
};

int run(RunOptions& options, Arguments arguments) {
    tenon::protect_own_binary(arguments);
    tenon::apply_explain(options.launch);
    tenon::Bundle bundle = tenon::open_bundle(options.bundle);
    tenon::replace_command(bundle.spec, options.launch.command);
    tenon::warn_of_beyond(bundle.spec, {.init = true});
    tenon::BundlePlan plan = tenon::plan_bundle(bundle.spec, tenon::in_initial_user_namespace());
    plan.namespaces.pid_file = options.launch.pid_file;
    tenon::apply_network_mode(options.network, plan.namespaces);
    const tenon::oci::Process& process = *bundle.spec.process;
    tenon::Attended attended(options.attend, process, tenon::own_program(arguments));
    attended.check(plan.namespaces.create);
    plan.namespaces.attendant = attended.attendant();
    const auto child_main = [&](tenon::SyncSocket& to_parent) -> int {
        tenon::apply_names(plan.namespaces);
        tenon::bring_up_own_loopback(options.network, plan.namespaces);
        tenon::apply_kernel_settings(bundle.spec, plan.namespaces);
        tenon::enter_bundle(bundle, plan.mounts);
        attended.enter_session();
        tenon::enter_working_directory(process);
        tenon::apply_process_limits(process);
        tenon::become_user(process.user);
        tenon::die_with_parent(to_parent);
        attended.become({process.args, process.env});
    };
    return tenon::run_in_network(options.network, plan.namespaces, plan.cgroup, child_main);
}

int exec(tenon::ExecOptions& options, Arguments arguments) {
    tenon::protect_own_binary(arguments);
    tenon::apply_explain(options.namespaces);
    const tenon::RunningContainer container = tenon::open_container(options.target);
    const tenon::oci::Process process = tenon::process_from(options, container.environment);
    tenon::Attended attended(options.attend, process, tenon::own_program(arguments));
    options.namespaces.attendant = attended.attendant();
    const auto child_main = [&](tenon::SyncSocket& to_parent) -> int {
        attended.enter_session();
        tenon::enter_working_directory(process);
        tenon::become_user(process.user);
        tenon::die_with_parent(to_parent);
        attended.become({process.args, process.env});
    };
    return tenon::run_in_container(container, options.namespaces, child_main);
}

}  // namespace

int main(int argc, char** argv) {
    tenon::StageApp stage{"ch07", "a container with an init, a terminal, and more than one process",
                          tenon::version_text("ch07", 7)};
    const Arguments arguments{argv, static_cast<std::size_t>(argc)};
    RunOptions run_options;
    CLI::App& run_verb = stage.add_verb("run", "run the container of a bundle");
    tenon::declare_launch_options(run_verb, run_options.launch);
    tenon::declare_bundle_option(run_verb, run_options.bundle);
    tenon::declare_network_options(run_verb, run_options.network);
    tenon::declare_init_options(run_verb, run_options.attend);
    tenon::ExecOptions exec_options;
    CLI::App& exec_verb = stage.add_verb("exec", "run one more command in a container");
    tenon::declare_launch_options(exec_verb, exec_options.namespaces);
    tenon::declare_exec_options(exec_verb, exec_options);
    return tenon::run_verbs(stage.app(), arguments,
                            {{.app = &run_verb,
                              .body = [&] { return run(run_options, arguments); },
                              .command = &run_options.launch.command,
                              .command_optional = true},
                             {.app = &exec_verb,
                              .body = [&] { return exec(exec_options, arguments); },
                              .command = &exec_options.namespaces.command}});
}
