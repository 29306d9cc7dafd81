/// @file
/// What the main() of every stage program does with its command line.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tenon {

struct NamespaceOptions;

/// One verb of a stage program: a subcommand, and what it does.
struct Verb {
    CLI::App* app;
    std::function<int()> body;
    /// For a verb that runs something: receives everything from the first word that is no option,
    /// or everything after `--`. The verb's own `--` otherwise.
    std::vector<std::string>* command = nullptr;
    bool command_optional = false;
};

/// Parses the command line of a program with several verbs, and runs the one that is named.
/// @param app  with a subcommand for each of @p verbs, of which one is required
/// @return the exit code: of the body, 0 after --help or --version, 125 after a mistake
int run_verbs(CLI::App& app, std::span<char* const> arguments, const std::vector<Verb>& verbs);

/// Parses `chNN run [options] [--] CMD ...` and runs @p body. The command is everything from the
/// first word that is no option, or everything after `--`.
/// @param app      with exactly one subcommand, to which @p options were declared
/// @param options  receives the command
/// @return the exit code: of @p body, 0 after --help or --version, 125 after a mistake
int run_stage(CLI::App& app, std::span<char* const> arguments, NamespaceOptions& options,
              const std::function<int()>& body);

}  // namespace tenon
