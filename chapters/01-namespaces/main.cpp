// ch01: a command in namespaces of its own. It still sees the host's files: chapter 02.
#include "tenon/namespace_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"

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
    tenon::StageApp stage{"ch01", "a command in namespaces of its own",
                          tenon::version_text("ch01", 1)};
    tenon::NamespaceOptions options;
    tenon::declare_namespace_options(stage.add_verb("run", "run a command"), options);
    return tenon::run_stage(stage.app(), {argv, static_cast<std::size_t>(argc)}, options,
                            [&] { return run(options); });
}
