// ch01: a command in namespaces of its own. It still sees the host's files: chapter 02.
#include <CLI/CLI.hpp>

#include "tenon/namespace_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/stage.hpp"

namespace {

int run(const tenon::NamespaceOptions& options) {
    tenon::apply_explain(options);
    return tenon::run_in_namespaces(options, [&](tenon::SyncSocket&) -> int {
        tenon::apply_names(options);
        tenon::exec({options.command, tenon::current_environment()});
    });
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"ch01: a command in namespaces of its own", "ch01"};
    app.set_version_flag("--version", tenon::version_text("ch01", 1));
    app.require_subcommand(1);
    tenon::NamespaceOptions options;
    tenon::declare_namespace_options(*app.add_subcommand("run", "run a command"), options);
    return tenon::run_stage(app, {argv, static_cast<std::size_t>(argc)}, options,
                            [&] { return run(options); });
}
