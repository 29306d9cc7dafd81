// ch02: ch01 with a root file system of its own.
#include "tenon/namespace_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"

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
    tenon::StageApp stage{"ch02", "a command in namespaces and a root file system of its own",
                          tenon::version_text("ch02", 2)};
    CLI::App& verb = stage.add_verb("run", "run a command in a container");
    tenon::NamespaceOptions namespaces;
    tenon::RootfsOptions rootfs;
    tenon::declare_namespace_options(verb, namespaces);
    tenon::declare_rootfs_options(verb, rootfs);
    return tenon::run_stage(stage.app(), {argv, static_cast<std::size_t>(argc)}, namespaces,
                            [&] { return run(namespaces, rootfs); });
}
