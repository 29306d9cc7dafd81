// stage_app.hpp and report_usage: what a command line that CLI11 did not take leads to.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "catch.hpp"
#include "forked.hpp"
#include "tenon/program.hpp"
#include "tenon/stage_app.hpp"

namespace tenon::test {

namespace {

// As a program's main() does it.
Forked parse(std::vector<std::string> arguments) {
    return run_forked([&] {
        StageApp stage{"prog", "tests usage", "prog 1.2.3"};
        CLI::App& app = stage.app();
        int number = 0;
        stage.add_verb("sub", "a verb").add_option("--number", number)->required();
        std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
        try {
            app.parse(arguments);
        } catch (const CLI::ParseError& error) {
            const int code = report_usage(app, error);
            std::cout.flush();
            return code;
        }
        return 42;
    });
}

}  // namespace

TEST_CASE("report_usage prints help and version to standard output and succeeds") {
    const Forked version = parse({"--version"});
    CHECK(version.status == ExitStatus::exited(0));
    CHECK(version.out == "prog 1.2.3\n");
    CHECK(version.err.empty());
    const Forked help = parse({"--help"});
    CHECK(help.status == ExitStatus::exited(0));
    CHECK(help.out.find("prog: tests usage") != std::string::npos);
}

TEST_CASE("report_usage says a mistake in one line, and whose help to read") {
    const Forked unknown = parse({"--nonsense"});
    CHECK(unknown.status == ExitStatus::exited(exit_own_failure));
    CHECK(unknown.out.empty());
    CHECK(unknown.err.starts_with("error: prog: "));
    CHECK(unknown.err.ends_with("; see prog --help\n"));
    CHECK(parse({}).err == "error: prog: A subcommand is required; see prog --help\n");
    const Forked missing = parse({"sub"});
    CHECK(missing.err.find("--number") != std::string::npos);
    CHECK(missing.err.ends_with("; see prog sub --help\n"));
    CHECK(std::count(missing.err.begin(), missing.err.end(), '\n') == 1);
}

TEST_CASE("a command line without mistakes is not report_usage's business") {
    CHECK(parse({"sub", "--number", "7"}).status == ExitStatus::exited(42));
}

}  // namespace tenon::test
