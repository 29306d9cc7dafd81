/// @file
/// What the main() of every stage program does with its command line.
#pragma once

#include <functional>
#include <span>

namespace CLI {
class App;
}

namespace tenon {

struct NamespaceOptions;

/// Parses `chNN run [options] [--] CMD ...` and runs @p body. The command is everything from the
/// first word that is no option, or everything after `--`.
/// @param app      with exactly one subcommand, to which @p options were declared
/// @param options  receives the command
/// @return the exit code: of @p body, 0 after --help or --version, 125 after a mistake
int run_stage(CLI::App& app, std::span<char* const> arguments, NamespaceOptions& options,
              const std::function<int()>& body);

}  // namespace tenon
