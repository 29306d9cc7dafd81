// ch04: ch03 from an image.
#include "tenon/cgroup_options.hpp"
#include "tenon/image_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"

namespace {

struct Options {
    tenon::NamespaceOptions namespaces;
    tenon::RootfsOptions rootfs;
    tenon::CgroupOptions cgroup;
    tenon::ImageOptions image;
};

int run(Options& options) {
    tenon::apply_explain(options.namespaces);
    const tenon::ContainerImage image(options.image, options.namespaces, options.rootfs);
    tenon::complete_namespaces(options.namespaces, options.rootfs);
    tenon::add_cgroup_mount(options.namespaces, options.cgroup, options.rootfs);
    const tenon::MountPlan plan =
        tenon::plan_mounts(options.namespaces, options.rootfs, tenon::in_initial_user_namespace());
    const auto child_main = [&](tenon::SyncSocket&) -> int {
        tenon::apply_names(options.namespaces);
        image.enter(plan);
        tenon::exec({options.namespaces.command, image.environment()});
    };
    const int code = tenon::run_in_cgroup(options.namespaces, options.cgroup, child_main);
    image.commit(code);
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    tenon::StageApp stage{"ch04", "a command in a container made from an image",
                          tenon::version_text("ch04", 4)};
    CLI::App& verb = stage.add_verb("run", "run a command in a container");
    Options options;
    tenon::declare_namespace_options(verb, options.namespaces);
    tenon::declare_rootfs_options(verb, options.rootfs);
    tenon::declare_cgroup_options(verb, options.cgroup);
    tenon::declare_image_options(verb, options.image);
    options.namespaces.command_optional = true;  // an image may know one
    return tenon::run_stage(stage.app(), {argv, static_cast<std::size_t>(argc)}, options.namespaces,
                            [&] { return run(options); });
}
