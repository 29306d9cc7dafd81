// What a test tells a learner: the steps that led here, what was expected and observed, and the
// facts from which the likely mistake is found. Written as one JSON line per test case to the
// file named by TENON_REPORT; the format is described in labs/kit/story.py.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "catch.hpp"

namespace tenon::test {

// One numbered step of the story.
void step(std::string text);

// Something the kernel said that tells mistakes apart; exercises.toml refers to it by name.
void fact(std::string_view name, std::string_view value);
// Exactly bool: a literal would rather become a bool than a string_view.
template <std::same_as<bool> Flag>
void fact(std::string_view name, Flag value) {
    fact(name, std::string_view{value ? "yes" : "no"});
}

// The first failing expectation is the one that is told. Returns `ok`.
bool judge(bool ok, std::string expected, std::string observed);

// Marks the test NOT RUN. Use TENON_NEED.
void not_run(std::string reason);

// By how much longer everything takes here than on a machine of its own: TENON_TIME_FACTOR, which
// the lab VM sets where its processor is emulated; else 1.
unsigned time_factor();

// A test that waits for longer is reported as hanging, with the fact hangs = yes.
unsigned time_limit_seconds();

}  // namespace tenon::test

// An expectation in words: TENON_EXPECT(pid == 1, "the child is pid 1", fmt::format("pid {}", pid))
#define TENON_EXPECT(condition, expected, observed)                      \
    do {                                                                 \
        const bool tenon_ok = static_cast<bool>(condition);              \
        INFO("expected " << (expected) << "\nobserved " << (observed));  \
        REQUIRE(::tenon::test::judge(tenon_ok, (expected), (observed))); \
    } while (false)

// Ends the test as NOT RUN when the machine lacks what it needs.
#define TENON_NEED(condition, reason)         \
    do {                                      \
        if (!(condition)) {                   \
            ::tenon::test::not_run(reason);   \
            SUCCEED("NOT RUN: " << (reason)); \
            return;                           \
        }                                     \
    } while (false)
