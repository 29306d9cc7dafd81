// The command of a container is not ours to parse: it is cut off before CLI11 sees the rest.
#include "tenon/stage.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "tenon/namespace_options.hpp"
#include "tenon/program.hpp"

namespace tenon {

namespace {

struct CommandLine {
    std::vector<std::string> ours;
    std::vector<std::string> after_mark;  // what follows the first "--"
    bool marked;
};

CommandLine split_at_mark(std::span<char* const> arguments) {
    const std::vector<std::string> words{arguments.begin() + 1, arguments.end()};
    const auto mark = std::find(words.begin(), words.end(), "--");
    const bool marked = mark != words.end();
    return {{words.begin(), mark}, {marked ? mark + 1 : mark, words.end()}, marked};
}

// `sh -c x -- y`: a mark inside the command is the command's own.
std::vector<std::string> join_command(std::vector<std::string> before, const CommandLine& line) {
    if (!before.empty() && line.marked) before.emplace_back("--");
    before.insert(before.end(), line.after_mark.begin(), line.after_mark.end());
    return before;
}

void check_command(const std::vector<std::string>& command, const CommandLine& line) {
    if (command.empty() || command.front().empty()) {
        throw CLI::ValidationError("no command: write it last, for example -- /bin/sh");
    }
    const bool ours = line.after_mark.size() < command.size();
    if (ours && command.front().front() == '-') {
        throw CLI::ValidationError(fmt::format("unknown option {}", command.front()));
    }
}

void parse(CLI::App& app, std::span<char* const> arguments, NamespaceOptions& options) {
    CommandLine line = split_at_mark(arguments);
    std::reverse(line.ours.begin(), line.ours.end());  // CLI11 takes a vector last word first
    app.parse(line.ours);
    const CLI::App* run = app.get_subcommands().front();
    options.command = join_command(run->remaining(), line);
    if (options.command.empty() && options.command_optional) return;
    check_command(options.command, line);
}

}  // namespace

int run_stage(CLI::App& app, std::span<char* const> arguments, NamespaceOptions& options,
              const std::function<int()>& body) {
    return run_program(app.get_name(), [&] {
        try {
            parse(app, arguments, options);
        } catch (const CLI::ParseError& error) {
            return report_usage(app, error);
        }
        return body();
    });
}

}  // namespace tenon
