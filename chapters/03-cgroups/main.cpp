// ch03: ch02 with limits.
#include "tenon/cgroup_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"

namespace {

int run(tenon::NamespaceOptions& namespaces, tenon::RootfsOptions& rootfs,
        const tenon::CgroupOptions& cgroup) {
    tenon::complete_namespaces(namespaces, rootfs);
    tenon::add_cgroup_mount(namespaces, cgroup, rootfs);
    const tenon::MountPlan plan =
        tenon::plan_mounts(namespaces, rootfs, tenon::in_initial_user_namespace());
    tenon::apply_explain(namespaces);
    return tenon::run_in_cgroup(namespaces, cgroup, [&](tenon::SyncSocket&) -> int {
        tenon::apply_names(namespaces);
        if (!rootfs.rootfs.empty()) tenon::enter_rootfs(rootfs.rootfs, plan);
        tenon::exec({namespaces.command, tenon::container_environment()});
    });
}

}  // namespace

int main(int argc, char** argv) {
    tenon::StageApp stage{"ch03", "a command in a container of its own, with limits",
                          tenon::version_text("ch03", 3)};
    CLI::App& verb = stage.add_verb("run", "run a command in a container");
    tenon::NamespaceOptions namespaces;
    tenon::RootfsOptions rootfs;
    tenon::CgroupOptions cgroup;
    tenon::declare_namespace_options(verb, namespaces);
    tenon::declare_rootfs_options(verb, rootfs);
    tenon::declare_cgroup_options(verb, cgroup);
    return tenon::run_stage(stage.app(), {argv, static_cast<std::size_t>(argc)}, namespaces,
                            [&] { return run(namespaces, rootfs, cgroup); });
}
