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

// The verb is the first word: a stage program has no options before it but --help and --version.
const Verb* named_verb(std::span<char* const> arguments, const std::vector<Verb>& verbs) {
    const std::string_view name = arguments.size() > 1 ? arguments[1] : "";
    const auto found = std::find_if(verbs.begin(), verbs.end(),
                                    [&](const Verb& verb) { return verb.app->get_name() == name; });
    return found == verbs.end() ? nullptr : &*found;
}

void parse_words(CLI::App& app, std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // CLI11 takes a vector last word first
    app.parse(std::move(words));
}

void parse_with_command(CLI::App& app, std::span<char* const> arguments, const Verb& verb) {
    const CommandLine line = split_at_mark(arguments);
    verb.app->prefix_command();
    parse_words(app, line.ours);
    *verb.command = join_command(verb.app->remaining(), line);
    if (verb.command->empty() && verb.command_optional) return;
    check_command(*verb.command, line);
}

// Without a verb CLI11 has --help or --version to answer, or a mistake to tell.
int parse_and_run(CLI::App& app, std::span<char* const> arguments, const Verb* verb) {
    try {
        if (verb != nullptr && verb->command != nullptr) {
            parse_with_command(app, arguments, *verb);
        } else {
            parse_words(app, {arguments.begin() + 1, arguments.end()});
        }
    } catch (const CLI::ParseError& error) {
        return report_usage(app, error);
    }
    return verb != nullptr ? verb->body() : exit_own_failure;
}

}  // namespace

int run_verbs(CLI::App& app, std::span<char* const> arguments, const std::vector<Verb>& verbs) {
    return run_program(app.get_name(),
                       [&] { return parse_and_run(app, arguments, named_verb(arguments, verbs)); });
}

int run_stage(CLI::App& app, std::span<char* const> arguments, NamespaceOptions& options,
              const std::function<int()>& body) {
    CLI::App* run = app.get_subcommands([](const CLI::App*) { return true; }).front();
    return run_verbs(app, arguments,
                     {{.app = run,
                       .body = body,
                       .command = &options.command,
                       .command_optional = options.command_optional}});
}

}  // namespace tenon
