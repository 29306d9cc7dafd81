// ch02: ch01 with a root file system of its own.
#include <CLI/CLI.hpp>

#include "tenon/namespace_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/stage.hpp"

namespace {

int run(tenon::NamespaceOptions& namespaces, const tenon::RootfsOptions& rootfs) {
    tenon::complete_namespaces(namespaces, rootfs);
    const tenon::MountPlan plan =
        tenon::plan_mounts(namespaces, rootfs, tenon::in_initial_user_namespace());
    tenon::apply_explain(namespaces);
    return tenon::run_in_namespaces(namespaces, [&](tenon::SyncSocket&) -> int {
        tenon::apply_names(namespaces);
        if (!rootfs.rootfs.empty()) tenon::enter_rootfs(rootfs.rootfs, plan);
        tenon::exec({namespaces.command, tenon::container_environment()});
    });
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"ch02: a command in namespaces and a root file system of its own", "ch02"};
    app.set_version_flag("--version", tenon::version_text("ch02", 2));
    app.require_subcommand(1);
    CLI::App& verb = *app.add_subcommand("run", "run a command in a container");
    tenon::NamespaceOptions namespaces;
    tenon::RootfsOptions rootfs;
    tenon::declare_namespace_options(verb, namespaces);
    tenon::declare_rootfs_options(verb, rootfs);
    return tenon::run_stage(app, {argv, static_cast<std::size_t>(argc)}, namespaces,
                            [&] { return run(namespaces, rootfs); });
}
