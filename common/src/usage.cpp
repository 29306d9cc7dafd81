// CLI11 asks for help and reports mistakes by the same exception; here the two part again.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "tenon/log.hpp"
#include "tenon/program.hpp"
#include "tenon/stage_app.hpp"

namespace tenon {

namespace {

// The innermost subcommand that was named: its --help is the useful one.
std::string path_of(const CLI::App& app) {
    for (const CLI::App* sub : app.get_subcommands()) return app.get_name() + " " + path_of(*sub);
    return app.get_name();
}

}  // namespace

int report_usage(const CLI::App& app, const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
    const Log log{FdRef{STDERR_FILENO}};
    log.error(fmt::format("{0}: {1}; see {2} --help", app.get_name(), error.what(), path_of(app)));
    return exit_own_failure;
}

StageApp::StageApp(const std::string& name, const std::string& description,
                   const std::string& version)
    : app_(std::make_unique<CLI::App>(name + ": " + description, name)) {
    app_->set_version_flag("--version", version);
    app_->require_subcommand(1);
}

StageApp::~StageApp() = default;

CLI::App& StageApp::add_verb(const std::string& name, const std::string& description) {
    return *app_->add_subcommand(name, description);
}

}  // namespace tenon
