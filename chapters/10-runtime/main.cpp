// ch10: containers that outlive the command that made them.
#include <filesystem>

#include "tenon/attended.hpp"
#include "tenon/bundle_plan.hpp"
#include "tenon/container.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/provenance.hpp"
#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"
#include "tenon/unwritable.hpp"
#include "tenon/verb_options.hpp"

namespace {

int create(const tenon::VerbOptions& options, std::span<char* const> arguments) {
    tenon::protect_own_binary(arguments);
    tenon::apply_explain(options.launch);
    tenon::LaunchRequest request{.id = options.id, .pid_file = options.launch.pid_file};
    tenon::Bundle bundle = tenon::open_bundle(std::filesystem::absolute(options.bundle).native());
    tenon::warn_of_beyond(bundle.spec,
                          {.init = true, .privileges = true, .id_mappings = true, .hooks = true});
    tenon::Container::create(tenon::ContainerRoot::make(options.root), request, std::move(bundle),
                             {}, tenon::Begin::AtGate);
    return 0;
}

tenon::Container load(const tenon::VerbOptions& options) {
    return tenon::Container::load(tenon::ContainerRoot::make(options.root), options.id);
}

int start(const tenon::VerbOptions& options) {
    load(options).start();
    return 0;
}

int state(const tenon::VerbOptions& options) {
    const tenon::Container container = load(options);
    tenon::print_line(tenon::state_json(container.record(), container.status()));
    return 0;
}

int kill(const tenon::VerbOptions& options) {
    load(options).kill(options.signal, options.all);
    return 0;
}

int remove(const tenon::VerbOptions& options) {
    load(options).remove(options.by_force);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    tenon::StageApp stage{"ch10", "containers that outlive the command that made them",
                          tenon::version_text("ch10", 10)};
    const std::span<char* const> arguments{argv, static_cast<std::size_t>(argc)};
    tenon::VerbOptions options;
    CLI::App& create_verb = stage.add_verb("create", "make everything but the program");
    tenon::declare_create_options(create_verb, options);
    CLI::App& start_verb = stage.add_verb("start", "let it run its program");
    tenon::declare_id(start_verb, options);
    CLI::App& state_verb = stage.add_verb("state", "tell what it is, as JSON");
    tenon::declare_id(state_verb, options);
    CLI::App& kill_verb = stage.add_verb("kill", "send a signal to its first process");
    tenon::declare_kill_options(kill_verb, options);
    CLI::App& delete_verb = stage.add_verb("delete", "remove what create made");
    tenon::declare_delete_options(delete_verb, options);
    return tenon::run_verbs(stage.app(), arguments,
                            {{&create_verb, [&] { return create(options, arguments); }},
                             {&start_verb, [&] { return start(options); }},
                             {&state_verb, [&] { return state(options); }},
                             {&kill_verb, [&] { return kill(options); }},
                             {&delete_verb, [&] { return remove(options); }}});
}
