// ch06: a container as config.json describes it.
#include "tenon/bundle_plan.hpp"
#include "tenon/network_options.hpp"
#include "tenon/oci_verbs.hpp"
#include "tenon/process.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"

namespace {

struct Options {
    tenon::NamespaceOptions launch;
    tenon::NetworkOptions network;
    tenon::OciVerbs oci;
    std::string bundle = ".";
};

int run(const Options& options) {
    tenon::apply_explain(options.launch);
    tenon::Bundle bundle = tenon::open_bundle(options.bundle);
    tenon::replace_command(bundle.spec, options.launch.command);
    tenon::warn_of_beyond(bundle.spec, {});
    tenon::BundlePlan plan = tenon::plan_bundle(bundle.spec, tenon::in_initial_user_namespace());
    plan.namespaces.pid_file = options.launch.pid_file;
    tenon::apply_network_mode(options.network, plan.namespaces);
    const tenon::oci::Process& process = *bundle.spec.process;
    const auto child_main = [&](tenon::SyncSocket& to_parent) -> int {
        tenon::apply_names(plan.namespaces);
        tenon::bring_up_own_loopback(options.network, plan.namespaces);
        tenon::apply_kernel_settings(bundle.spec, plan.namespaces);
        tenon::enter_bundle(bundle, plan.mounts);
        tenon::enter_working_directory(process);
        tenon::apply_process_limits(process);
        tenon::become_user(process.user);
        tenon::die_with_parent(to_parent);
        tenon::exec({process.args, process.env});
    };
    return tenon::run_in_network(options.network, plan.namespaces, plan.cgroup, child_main);
}

}  // namespace

int main(int argc, char** argv) {
    tenon::StageApp stage{"ch06", "a command in the container that a config.json describes",
                          tenon::version_text("ch06", 6)};
    Options options;
    CLI::App& verb = stage.add_verb("run", "run the container of a bundle");
    tenon::declare_launch_options(verb, options.launch);
    tenon::declare_bundle_option(verb, options.bundle);
    tenon::declare_network_options(verb, options.network);
    std::vector<tenon::Verb> verbs = tenon::oci_verbs(stage, options.oci);
    verbs.push_back({.app = &verb,
                     .body = [&] { return run(options); },
                     .command = &options.launch.command,
                     .command_optional = true});
    return tenon::run_verbs(stage.app(), {argv, static_cast<std::size_t>(argc)}, verbs);
}
