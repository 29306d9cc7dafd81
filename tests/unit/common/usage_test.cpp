// program.hpp, report_usage: what a command line that CLI11 did not take leads to.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "catch.hpp"
#include "forked.hpp"
#include "tenon/program.hpp"

namespace tenon::test {

namespace {

// As a program's main() does it.
Forked parse(std::vector<std::string> arguments) {
    return run_forked([&] {
        CLI::App app{"tests usage", "prog"};
        CLI::App* sub = app.add_subcommand("sub", "a subcommand");
        int number = 0;
        sub->add_option("--number", number)->required();
        app.set_version_flag("--version", "prog 1.2.3");
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
    CHECK(help.out.find("tests usage") != std::string::npos);
}

TEST_CASE("report_usage says a mistake in one line, and whose help to read") {
    const Forked unknown = parse({"--nonsense"});
    CHECK(unknown.status == ExitStatus::exited(exit_own_failure));
    CHECK(unknown.out.empty());
    CHECK(unknown.err.starts_with("error: prog: "));
    CHECK(unknown.err.ends_with("; see prog --help\n"));
    const Forked missing = parse({"sub"});
    CHECK(missing.err.find("--number") != std::string::npos);
    CHECK(missing.err.ends_with("; see prog sub --help\n"));
    CHECK(std::count(missing.err.begin(), missing.err.end(), '\n') == 1);
}

TEST_CASE("a command line without mistakes is not report_usage's business") {
    CHECK(parse({"sub", "--number", "7"}).status == ExitStatus::exited(42));
}

}  // namespace tenon::test
