/// @file
/// The outermost frame of every program: an error becomes one line and an exit code.
#pragma once

#include <functional>
#include <string_view>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace tenon {

/// Exit codes for a container that never ran, as docker-run(1) and shells use them.
enum ExitCode : int {
    exit_own_failure = 125,     ///< Tenon itself failed
    exit_not_executable = 126,  ///< the command is there but cannot be executed
    exit_not_found = 127,       ///< the command is not there
};

/// What run_program() does first: descriptors 0, 1 and 2 are open, children are waited for, and a
/// broken pipe is an error instead of an end.
void prepare_process() noexcept;

/// Runs @p body and returns its result as exit code. An exception becomes one line on standard
/// error (`program: what on what: why: what to do`) and 125, 126 or 127; EndedBySignal becomes that
/// signal. Prints the rest of the trace in each case.
int run_program(std::string_view program, const std::function<int()>& body) noexcept;

/// What a command line that CLI11 did not take leads to: --help and --version print and give 0, a
/// mistake is one line on standard error and 125.
int report_usage(const CLI::App& app, const CLI::ParseError& error);

}  // namespace tenon
