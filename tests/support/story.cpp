// Catch2 2.13 wants this before its header where a listener is registered outside main.cpp.
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include "story.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <vector>

#include "leaks.hpp"
#include "tenon/log.hpp"
#include "tenon/todo.hpp"

namespace tenon::test {

namespace {

using Clock = std::chrono::steady_clock;

struct Story {
    std::string name;
    std::vector<std::string> tags;
    std::vector<std::string> steps;
    std::map<std::string, std::string, std::less<>> facts;
    std::string expected;
    std::string observed;
    std::string not_run_reason;
    std::string not_implemented;
    std::vector<std::string> leaks;
    Clock::time_point begin;
    pid_t process = 0;
};

Story story;
int leaking_tests = 0;

std::string json_list(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_quote(text);
    return "[" + out + "]";
}

std::string json_facts() {
    std::string out;
    for (const auto& [name, value] : story.facts) {
        out += fmt::format("{}{}:{}", out.empty() ? "" : ",", json_quote(name), json_quote(value));
    }
    return "{" + out + "}";
}

std::string_view status_of(bool passed) {
    if (!story.leaks.empty()) return "failed";
    if (!story.not_run_reason.empty()) return "not_run";
    return passed ? "passed" : "failed";
}

std::string report_line(bool passed) {
    const double seconds = std::chrono::duration<double>(Clock::now() - story.begin).count();
    return fmt::format(
        R"({{"test":{},"tags":{},"status":"{}","reason":{},"seconds":{:.3f},"expected":{},)"
        R"("observed":{},"steps":{},"facts":{},"not_implemented":{},"leaks":{}}})"
        "\n",
        json_quote(story.name), json_list(story.tags), status_of(passed),
        json_quote(story.not_run_reason), seconds, json_quote(story.expected),
        json_quote(story.observed), json_list(story.steps), json_facts(),
        json_quote(story.not_implemented), json_list(story.leaks));
}

void append_report(bool passed) {
    const char* path = std::getenv("TENON_REPORT");
    if (path == nullptr) return;
    const std::string line = report_line(passed);
    const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return;
    [[maybe_unused]] const long written = ::write(file, line.data(), line.size());
    ::close(file);
}

// The process waits in a system call for something that will not come. Nothing it holds is
// half-changed, so the report may be written from here; then it is over.
void on_time_limit(int) {
    fact("hangs", true);
    judge(false, fmt::format("the test ends within {} s", time_limit_seconds()),
          "it does not: a loop without end, or waiting for a message that never comes");
    append_report(false);
    constexpr std::string_view words = "time limit reached: the test hangs\n";
    [[maybe_unused]] const long written = ::write(STDERR_FILENO, words.data(), words.size());
    ::_exit(1);
}

// A child whose exception nobody caught comes back here, and two processes would run the rest of
// the tests. It ends with a status of its own, which the parent's test reports.
void end_escaped_child() {
    constexpr int escaped = 121;
    if (::getpid() != story.process) ::_exit(escaped);
}

void begin_story(std::string name, std::vector<std::string> tags) {
    story = {};
    story.name = std::move(name);
    story.tags = std::move(tags);
    story.begin = Clock::now();
    story.process = ::getpid();
    std::signal(SIGALRM, on_time_limit);
    ::alarm(time_limit_seconds());
}

void end_story(bool passed, const Surroundings& before) {
    ::alarm(0);
    story.leaks = Surroundings::now().added_since(before);
    if (!story.leaks.empty()) {
        ++leaking_tests;
        judge(false, "the test leaves nothing behind",
              "left: " + fmt::format("{}", fmt::join(story.leaks, ", ")));
        fmt::print(stderr, "LEAK in '{}': {}\n", story.name, fmt::join(story.leaks, ", "));
    }
    append_report(passed);
}

#if TENON_CATCH_MAJOR == 3
using ListenerBase = Catch::EventListenerBase;
using AssertionEndedResult = void;
#else
using ListenerBase = Catch::TestEventListenerBase;
using AssertionEndedResult = bool;
#endif

std::vector<std::string> tags_of(const Catch::TestCaseInfo& info) {
    std::vector<std::string> tags;
    for (const auto& tag : info.tags) {
#if TENON_CATCH_MAJOR == 3
        tags.emplace_back(tag.original.data(), tag.original.size());
#else
        tags.push_back(tag);
#endif
    }
    return tags;
}

class Reporter : public ListenerBase {
  public:
    using ListenerBase::ListenerBase;
#if TENON_CATCH_MAJOR == 2
    static std::string getDescription() {
        return "writes one JSON line per test case";
    }
#endif

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        ListenerBase::testCaseStarting(info);
        before_ = Surroundings::now();
        begin_story(info.name, tags_of(info));
    }

    // An assertion without words of its own, or an exception: Catch's text is what was observed.
    AssertionEndedResult assertionEnded(const Catch::AssertionStats& stats) override {
        end_escaped_child();
        const auto& result = stats.assertionResult;
        if (!result.isOk()) {
            const std::string message{result.getMessage().data(), result.getMessage().size()};
            judge(false,
                  result.getExpression().empty() ? "that " + story.name : result.getExpression(),
                  message.empty() ? result.getExpandedExpression() : message);
        }
        return AssertionEndedResult(true);
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        end_escaped_child();
        end_story(stats.totals.assertions.allOk(), before_);
        ListenerBase::testCaseEnded(stats);
    }

  private:
    Surroundings before_;
};

}  // namespace

void step(std::string text) {
    story.steps.push_back(std::move(text));
}

void fact(std::string_view name, std::string_view value) {
    story.facts.insert_or_assign(std::string{name}, std::string{value});
}

bool judge(bool ok, std::string expected, std::string observed) {
    if (!ok && story.expected.empty()) {
        story.expected = std::move(expected);
        story.observed = std::move(observed);
    }
    return ok;
}

void not_run(std::string reason) {
    story.not_run_reason = std::move(reason);
}

unsigned time_factor() {
    const char* text = std::getenv("TENON_TIME_FACTOR");
    // Text that is no number counts as 0.
    const long factor = text == nullptr ? 1 : std::strtol(text, nullptr, 10);
    return static_cast<unsigned>(std::clamp(factor, 1L, 100L));
}

unsigned time_limit_seconds() {
    constexpr unsigned on_an_idle_machine = 10;
    return on_an_idle_machine * time_factor();
}

int leak_count() {
    return leaking_tests;
}

std::string note_not_implemented(const NotImplemented& error) {
    story.not_implemented = error.exercise_id();
    return error.what();
}

CATCH_REGISTER_LISTENER(Reporter)  // 2.13 pastes the name into another: no qualifier

}  // namespace tenon::test

CATCH_TRANSLATE_EXCEPTION(const tenon::NotImplemented& error) {
    return tenon::test::note_not_implemented(error);
}
