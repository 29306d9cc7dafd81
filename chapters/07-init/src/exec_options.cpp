// Declarations of `exec`, and what its words mean.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <stdexcept>

#include "tenon/running_container.hpp"

namespace tenon {

namespace {

// What fits into a signed number: beyond it programs have read -1, and 0 (CVE-2024-40635).
constexpr std::uint32_t largest_id = 2147483647;

std::optional<std::uint32_t> parse_id(std::string_view text) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
    if (id > largest_id) return {};
    return id;
}

std::string_view name_of(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

void set_variable(std::vector<std::string>& environment, const std::string& variable) {
    std::erase_if(environment,
                  [&](const std::string& each) { return name_of(each) == name_of(variable); });
    environment.push_back(variable);
}

// KEY alone is the caller's own variable of that name, if there is one: as docker-exec(1) has it.
void add_variable(std::vector<std::string>& environment, const std::string& text) {
    if (name_of(text).empty()) {
        throw std::invalid_argument(fmt::format("--env: '{}' has no name: write KEY=VALUE", text));
    }
    if (text.find('=') != std::string::npos) return set_variable(environment, text);
    const char* value = std::getenv(text.c_str());
    if (value != nullptr) set_variable(environment, fmt::format("{}={}", text, value));
}

bool has_variable(const std::vector<std::string>& environment, std::string_view name) {
    return std::any_of(environment.begin(), environment.end(),
                       [&](const std::string& each) { return name_of(each) == name; });
}

std::vector<std::string> environment_for(const ExecOptions& options,
                                         std::vector<std::string> environment) {
    if (options.attend.terminal && !has_variable(environment, "TERM")) {
        environment.emplace_back("TERM=xterm");
    }
    for (const std::string& text : options.environment) add_variable(environment, text);
    return environment;
}

}  // namespace

oci::User parse_user(const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::optional<std::uint32_t> uid = parse_id(std::string_view{text}.substr(0, colon));
    std::optional<std::uint32_t> gid = 0;
    if (colon != std::string::npos) gid = parse_id(std::string_view{text}.substr(colon + 1));
    if (!uid || !gid) {
        throw std::invalid_argument(fmt::format(
            "--user '{}': write numbers, UID or UID:GID; names are the container's business",
            text));
    }
    oci::User user;
    user.uid = *uid;
    user.gid = *gid;
    return user;
}

oci::Process process_from(const ExecOptions& options, const std::vector<std::string>& environment) {
    oci::Process process;
    process.terminal = options.attend.terminal;
    if (!options.user.empty()) process.user = parse_user(options.user);
    process.user.additional_gids = options.groups;
    process.args = options.namespaces.command;
    process.env = environment_for(options, environment);
    process.cwd = options.cwd;
    return process;
}

void declare_exec_options(CLI::App& verb, ExecOptions& options) {
    verb.add_option("PID", options.target, "a process of the container")
        ->required()
        ->check(CLI::Range(1, static_cast<int>(largest_id)));
    verb.add_option("-u,--user", options.user, "numbers: the user it runs as (default 0:0)")
        ->type_name("UID[:GID]");
    verb.add_option("--additional-gid", options.groups, "one more group of that user")
        ->type_name("GID")
        ->type_size(1)
        ->allow_extra_args(false);
    verb.add_option("--cwd", options.cwd, "working directory in the container (default /)")
        ->type_name("DIR");
    verb.add_option("-e,--env", options.environment,
                    "beside the variables that PID has; KEY alone: as it is here")
        ->type_name("KEY[=VALUE]")
        ->type_size(1)
        ->allow_extra_args(false);
    declare_attend_options(verb, options.attend);
    options.attend.console = false;  // the container has one, or needs none
}

}  // namespace tenon
