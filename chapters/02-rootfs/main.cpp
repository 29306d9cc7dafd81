// ch02: ch01 with a root file system of its own.
#include <CLI/CLI.hpp>

#include "tenon/namespace_options.hpp"
#include "tenon/program.hpp"
#include "tenon/provenance.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/rootfs_options.hpp"

namespace {

struct Options {
    tenon::NamespaceOptions namespaces;
    tenon::RootfsOptions rootfs;
};

int run(Options& options) {
    tenon::complete_namespaces(options.namespaces, options.rootfs);
    const tenon::MountPlan plan = tenon::plan_mounts(options.namespaces, options.rootfs);
    tenon::apply_explain(options.namespaces);
    return tenon::run_in_namespaces(options.namespaces, [&]() -> int {
        tenon::apply_names(options.namespaces);
        if (!options.rootfs.rootfs.empty()) tenon::enter_rootfs(options.rootfs.rootfs, plan);
        tenon::exec({options.namespaces.command, tenon::container_environment()});
    });
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"ch02: a command in namespaces and a root file system of its own", "ch02"};
    app.set_version_flag("--version", tenon::version_text("ch02", 2));
    app.require_subcommand(1);
    Options options;
    CLI::App& verb = *app.add_subcommand("run", "run a command in a container");
    tenon::declare_namespace_options(verb, options.namespaces);
    tenon::declare_rootfs_options(verb, options.rootfs);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return tenon::report_usage(app, error);
    }
    return tenon::run_program("ch02", [&] { return run(options); });
}
