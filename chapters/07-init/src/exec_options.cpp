// Declarations of `exec`, and what its words mean.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "tenon/option_group.hpp"
#include "tenon/running_container.hpp"

namespace tenon {

namespace {

std::uint32_t number_in(const std::string& text, std::uint32_t least) {
    // Beyond it programs have read -1, and 0 (CVE-2024-40635).
    constexpr std::uint32_t largest = std::numeric_limits<std::int32_t>::max();
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (!text.empty() && error == std::errc{} && stop == end && number >= least &&
        number <= largest) {
        return number;
    }
    throw std::invalid_argument(
        fmt::format("'{}' is no number from {} to {}", text, least, largest));
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
    OptionGroup group{verb};
    group.required("PID", "", "a process of the container", [&options](const std::string& text) {
        options.target = static_cast<pid_t>(number_in(text, 1));
    });
    group.value("-u,--user", "UID[:GID]", "numbers: the user it runs as (default 0:0)",
                options.user);
    group.values(
        "--additional-gid", "GID", "one more group of that user",
        [&options](const std::string& text) { options.groups.push_back(number_in(text, 0)); });
    group.value("--cwd", "DIR", "working directory in the container (default /)", options.cwd);
    group.values("-e,--env", "KEY[=VALUE]",
                 "beside the variables that PID has; KEY alone: as it is here",
                 options.environment);
    declare_attend_options(verb, options.attend);
    options.attend.console = false;  // the container has one, or needs none
}

}  // namespace tenon
