// The trace is one per process and for its life: each test tells its story in a forked child.
#include "tenon/trace.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "catch.hpp"
#include "forked.hpp"
#include "json_oracle.hpp"
#include "refusal.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

constexpr FdRef here = FdRef::working_directory();
constexpr FdRef to_stdout{STDOUT_FILENO};
constexpr trace::Options json{.format = trace::Format::Json};
constexpr std::size_t capacity = 1024;

// What a process writes that turns the trace on, runs `body` and prints the rest.
std::string story(trace::Options options, const std::function<void()>& body) {
    const Forked process = run_forked([&] {
        trace::enable(to_stdout, options);
        body();
        trace::flush();
        return 0;
    });
    CHECK(process.status == ExitStatus::exited(0));
    return process.out;
}

std::string json_story(const std::string& expression, const std::function<void()>& body) {
    return python_reads(story(json, body), expression);
}

void open_nothing(const std::string& name) {
    static_cast<void>(refusal([&] { sys::openat(here, "/nowhere/" + name, O_RDONLY); }));
}

void record(const std::string& arguments, int error = 0, const std::string& result = "0") {
    trace::Call{"call", arguments}.finish(error, result);
}

std::vector<std::string> lines_in(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

// The whole life of a forked second writer, told apart from its parent's.
void fork_and_tell() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        trace::set_role("child");
        open_nothing("child-1");
        open_nothing("child-2");
        ::_exit(0);
    }
    ::waitpid(pid, nullptr, 0);
}

}  // namespace

TEST_CASE("the trace is off until it is enabled, and then silent") {
    const Forked process = run_forked([] {
        if (trace::enabled()) return 1;
        open_nothing("x");
        trace::flush();
        return 0;
    });
    CHECK(process.status == ExitStatus::exited(0));
    CHECK(process.out.empty());
    CHECK(process.err.empty());
}

TEST_CASE("trace lines are numbered one by one and printed once") {
    const std::string read = json_story("d['n'], d['args']", [] {
        record("a");
        record("b");
        trace::flush();
        trace::flush();
        record("c");
    });
    CHECK(read == "1 a\n2 b\n3 c\n");
}

TEST_CASE("a trace record says who did what, with what outcome") {
    const std::string read =
        json_story("d['who'], d['call'], d['args'], d['result'], d['errno'], d['us'] >= 0", [] {
            open_nothing("x");
            sys::set_parent_death_signal(SIGKILL);
            trace::set_role("joiner");
            record("arguments", 0, "pid 7");
        });
    CHECK(read ==
          "parent openat AT_FDCWD, \"/nowhere/x\", O_RDONLY ENOENT (No such file or directory) 2 "
          "True\n"
          "parent prctl PR_SET_PDEATHSIG, SIGKILL 0 0 True\n"
          "joiner call arguments pid 7 0 True\n");
}

TEST_CASE("the trace puts two processes' calls in the order of time") {
    const std::string out = story(json, [] {
        open_nothing("parent-1");
        fork_and_tell();
        open_nothing("parent-2");
    });
    CHECK(python_reads(out, "d['n'], d['who'], d['args'].split('/')[2].split('\"')[0]") ==
          "1 parent parent-1\n2 child child-1\n3 child child-2\n4 parent parent-2\n");
    std::istringstream times{python_reads(out, "d['at_us']")};
    std::vector<double> at;
    for (double time = 0; times >> time;) at.push_back(time);
    CHECK(at.size() == 4);
    CHECK(std::is_sorted(at.begin(), at.end()));
    std::istringstream pids{python_reads(out, "d['pid']")};
    pid_t first = 0, second = 0;
    pids >> first >> second;
    CHECK(first != second);
}

TEST_CASE("a call that is not complete is printed by a later flush") {
    const std::string read = json_story("d['n'], d['args']", [] {
        trace::Call waiting{"call", "begun first"};
        record("done first");
        trace::flush();
        waiting.finish(0, "0");
    });
    CHECK(read == "1 done first\n2 begun first\n");
}

TEST_CASE("execve is told before the command speaks, and the parent goes on counting") {
    const std::string out = story(json, [] {
        open_nothing("before");
        const pid_t pid = ::fork();
        if (pid == 0) exec({{"sh", "-c", "echo '\"the command\"'"}, {"PATH=/bin:/usr/bin"}});
        ::waitpid(pid, nullptr, 0);
        open_nothing("after");
    });
    const std::string read =
        python_reads(out, "d if isinstance(d, str) else (d['n'], d['call'], d['chapter'])");
    CHECK(read ==
          "(1, 'openat', '00')\n(2, 'rt_sigprocmask', '01')\n(3, 'close_range', '01')\n"
          "(4, 'execve', '01')\nthe command\n(5, 'openat', '00')\n");
}

TEST_CASE("an execve that fails is told as what it became") {
    const std::string read = json_story("d['call'], d['errno']", [] {
        char* const none[] = {nullptr};
        static_cast<void>(refusal([&] { sys::execve("/nowhere/x", none, none); }));
    });
    CHECK(read.ends_with("execve 2\n"));
}

TEST_CASE("the trace survives an errno that has no name") {
    // Some drivers let the kernel's internal numbers slip out: ENOTSUPP is 524.
    const std::string read = json_story("d['n'], d['args'], d['errno']", [] {
        record("odd", 524);
        record("next");
    });
    CHECK(read == "1 odd 524\n2 next 0\n");
}

TEST_CASE("a full story says how many calls it does not tell") {
    const auto overflow = [] {
        for (std::size_t i = 0; i < capacity + 6; ++i) record("x");
    };
    SECTION("as text, at the end") {
        const auto lines = lines_in(story({}, overflow));
        REQUIRE(lines.size() == capacity + 1);
        CHECK(lines[capacity].find("6 more calls are not told") != std::string::npos);
    }
    SECTION("as JSON") {
        const std::string read = json_story("d.get('n'), d.get('lost')", overflow);
        CHECK(read.ends_with(fmt::format("\n{} None\nNone 6\n", capacity)));
    }
    SECTION("each of them once") {
        const std::string read = json_story("d.get('lost')", [&] {
            overflow();
            trace::flush();
            trace::flush();
            record("x");
            fork_and_tell();
        });
        CHECK(read.ends_with("\nNone\n6\n3\n"));
    }
    SECTION("and nothing when all have a place") {
        const std::string out = story({}, [] {
            for (std::size_t i = 0; i < capacity; ++i) record("x");
        });
        CHECK(lines_in(out).size() == capacity);
    }
}

TEST_CASE("a trace in JSON is valid whatever the arguments hold") {
    std::string hostile;
    for (int byte = 1; byte < 256; ++byte) hostile += static_cast<char>(byte);
    const std::string read = json_story("d['n'], d['args'][:3] == '\\x01\\x02\\x03'", [&] {
        record(hostile);
        record(hostile.substr(0, 3) + std::string(1000, '"'));
        record("\x01\x02\x03" + hostile.substr(127), 0, hostile.substr(100));
    });
    CHECK(read == "1 True\n2 True\n3 True\n");
}

TEST_CASE("a trace in text gives each call one line and the terminal no commands") {
    const std::string out = story({}, [] {
        record("+cpu\n+memory\n");
        record("a\r\x1b[2J\x07 forged");
    });
    const auto lines = lines_in(out);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].ends_with("call(+cpu\\n+memory\\n) = 0"));
    CHECK(lines[1].ends_with("call(a\\x0d\\x1b[2J\\x07 forged) = 0"));
}

TEST_CASE("a step is a heading, told when it or its speaker changes") {
    const auto lines = lines_in(story({}, [] {
        const trace::Step outer{2, "outer", "because"};
        record("1");
        record("2");
        {
            const trace::Step inner{3, "inner", "so"};
            record("3");
        }
        trace::set_role("child");
        record("4");
    }));
    REQUIRE(lines.size() == 7);
    CHECK(lines[0] == "parent outer: because");
    CHECK(lines[1].find("ch02") != std::string::npos);
    CHECK(lines[3] == "parent inner: so");
    CHECK(lines[4].find("ch03") != std::string::npos);
    CHECK(lines[5] == "child outer: because");
}

}  // namespace tenon::test
