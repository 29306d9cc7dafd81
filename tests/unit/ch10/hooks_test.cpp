// Hooks: what they are told, and what is said of them.
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/hooks.hpp"

namespace tenon::test {

namespace {

oci::Hook shell(const std::string& script) {
    return {.path = "/bin/sh", .args = {"hook", "-c", script}, .env = {"A=1"}};
}

std::string failure_of(const oci::Hook& hook) {
    try {
        run_hooks("poststart", {hook}, "{}");
    } catch (const HookFailed& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a hook has the state on its standard input, and its own environment alone") {
    const TemporaryDirectory scratch;
    const auto file = scratch.path() / "out";
    const std::string state = fmt::format(R"({{"id":"{}"}})", random_name(8));
    run_hooks("prestart",
              {shell(fmt::format("cat > {0}; echo \"$A-$HOME-$0\" >> {0}", file.native()))}, state);
    std::stringstream text;
    text << std::ifstream{file}.rdbuf();
    CHECK(text.str() == state + "1--hook\n");
}

TEST_CASE("a hook that fails is named, with its end and its words") {
    CHECK(failure_of(shell("echo no reason >&2; exit 3")) ==
          "error running poststart hook #0: /bin/sh: exit status 3: no reason");
    CHECK(failure_of(shell("kill -9 $$")) ==
          "error running poststart hook #0: /bin/sh: ended by signal 9");
    CHECK(failure_of({.path = "/no/such/hook"}).find("ENOENT") != std::string::npos);
}

TEST_CASE("a hook that takes too long is killed") {
    oci::Hook slow = shell("exec sleep 100");
    slow.timeout = 1;
    const auto begin = std::chrono::steady_clock::now();
    CHECK(failure_of(slow).find("timed out") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{60});
}

TEST_CASE("a hook that never stops talking is killed in time") {
    oci::Hook loud = shell("yes & yes & yes & exec yes");
    loud.timeout = 1;
    const auto begin = std::chrono::steady_clock::now();
    CHECK(failure_of(loud).find("timed out") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{30});
}

TEST_CASE("a hook's children that never stop talking are not waited for") {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(failure_of(shell("yes & yes & yes & yes & :")) == "no error");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{30});
}

TEST_CASE("a hook's own children are not waited for") {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(failure_of(shell("sleep 100 & echo $! > /dev/null")) == "no error");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{60});
}

TEST_CASE("a hook may say much") {
    const std::string said = failure_of(shell("head -c 300000 /dev/zero | tr '\\0' x; exit 1"));
    CHECK(said.size() < 3000);
    CHECK(said.find("exit status 1: xxx") != std::string::npos);
}

}  // namespace tenon::test
