// cgroup.events: what is waited for, and what freezing and thawing come to.
#include <fcntl.h>
#include <fmt/format.h>

#include <ctime>

#include "cgroup_view.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

int compute() {
    volatile std::uint64_t count = 0;
    while (true) count = count + 1;
}

bool is_frozen(const TestCgroup& group) {
    return group.counter("cgroup.events", "frozen") == 1;
}

std::uint64_t used(const TestCgroup& group) {
    return group.counter("cpu.stat", "usage_usec");
}

// Until the group has used `more` than it has now; false when that takes too long.
bool runs_on(const TestCgroup& group, std::uint64_t more) {
    const std::uint64_t goal = used(group) + more;
    const auto deadline = Clock::now() + 5s * time_factor();
    while (used(group) < goal) {
        if (Clock::now() > deadline) return false;
        ::usleep(1000);
    }
    return true;
}

}  // namespace

TEST_CASE("is_populated says what cgroup.events says") {
    const TemporaryDirectory directory;
    const UniqueFd group = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);
    write_file(directory.path() / "cgroup.events", "populated 1\nfrozen 0\n");
    CHECK(is_populated(group));
    write_file(directory.path() / "cgroup.events", "populated 0\nfrozen 1\n");
    CHECK_FALSE(is_populated(group));
    std::filesystem::remove(directory.path() / "cgroup.events");
    CHECK(refusal([&] { is_populated(group); }) == "openat cgroup.events: ENOENT");
}

TEST_CASE("wait_for_event returns at once when it is so already") {
    const TemporaryDirectory directory;
    const UniqueFd group = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);
    write_file(directory.path() / "cgroup.events", "populated 1\nfrozen 0\n");
    CHECK(refusal([&] { wait_for_event(group, "populated", true, 0ms); }) == "accepted");
    CHECK(refusal([&] { wait_for_event(group, "frozen", false, 0ms); }) == "accepted");
    // A kernel that does not know the key: not frozen.
    CHECK(refusal([&] { wait_for_event(group, "other", false, 0ms); }) == "accepted");
}

TEST_CASE("wait_for_event gives up in time, and names who is left") {
    const TemporaryDirectory directory;
    const UniqueFd group = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);
    write_file(directory.path() / "cgroup.events", "populated 1\n");
    const auto begin = Clock::now();
    CHECK(refusal([&] { wait_for_event(group, "populated", false, 50ms); }) ==
          "wait for cgroup populated 0 (processes there: none, but in groups below): ETIMEDOUT");
    CHECK(Clock::now() - begin >= 50ms);
    CHECK(Clock::now() - begin < 5s);
    write_file(directory.path() / "cgroup.procs", "12\n345\n");
    CHECK(refusal([&] { wait_for_event(group, "populated", false, 0ms); }) ==
          "wait for cgroup populated 0 (processes there: 12 345): ETIMEDOUT");
}

TEST_CASE("wait_for_event is woken by the kernel when the last process ends") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    Member member(group.path(), [] {
        ::usleep(100'000);
        return 0;
    });
    const auto begin = Clock::now();
    wait_for_event(group.fd(), "populated", false);
    CHECK(Clock::now() - begin < 5s);
    CHECK_FALSE(is_populated_group(group.path()));
    CHECK(member.wait().success());
}

TEST_CASE("wait_for_event waits for the first process, too") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const Forked waiter = run_forked([&] {
        const pid_t late = ::fork();
        if (late == 0) {
            ::usleep(50'000);
            write_to(group.path() / "cgroup.procs", "0");
            ::pause();
        }
        wait_for_event(group.fd(), "populated", true);
        ::kill(late, SIGKILL);
        ::waitpid(late, nullptr, 0);
        wait_for_event(group.fd(), "populated", false);
        return 0;
    });
    CHECK(waiter.out.empty());
    CHECK(waiter.status.success());
}

TEST_CASE("wait_for_event goes on waiting after a signal handler ran") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const Member member(group.path());
    const Forked waiter = run_forked([&] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGUSR1, &action, nullptr);  // without SA_RESTART
        const pid_t parent = ::getpid();
        const pid_t waker = ::fork();
        if (waker == 0) {
            while (status_field(parent, "State").front() != 'S') ::sched_yield();
            ::kill(parent, SIGUSR1);
            ::usleep(50'000);
            ::kill(member.pid(), SIGKILL);
            ::_exit(0);
        }
        wait_for_event(group.fd(), "populated", false);
        ::waitpid(waker, nullptr, 0);
        return 0;
    });
    CHECK(waiter.out.empty());
    CHECK(waiter.status.success());
}

TEST_CASE("a frozen group stands still, and goes on when it is thawed") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const Member one(group.path(), compute);
    const Member two(group.make("below"), compute);
    REQUIRE(runs_on(group, 20'000));
    freeze(group.fd());
    CHECK(is_frozen(group));
    const std::uint64_t before = used(group);
    ::usleep(200'000);  // long enough for two running processes to use 0.4 s
    CHECK(used(group) - before < 2000);
    thaw(group.fd());
    CHECK_FALSE(is_frozen(group));
    CHECK(runs_on(group, 20'000));
}

TEST_CASE("freeze and thaw of an empty group are no errors, also twice") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    for (int i = 0; i < 2; ++i) freeze(group.fd());
    CHECK(is_frozen(group));
    for (int i = 0; i < 2; ++i) thaw(group.fd());
    CHECK_FALSE(is_frozen(group));
}

TEST_CASE("a process that joins a frozen group freezes with it") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const TestCgroup outside;
    const Member member(outside.path(), compute);
    freeze(group.fd());
    group.write("cgroup.procs", std::to_string(member.pid()));
    wait_for_event(group.fd(), "frozen", true);
    const std::uint64_t before = used(group);
    ::usleep(100'000);
    CHECK(used(group) - before < 2000);
}

TEST_CASE("thaw under a frozen group does not come to its end") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const auto below = group.make("below");
    const UniqueFd inner = sys::openat(FdRef::working_directory(), below, O_RDONLY);
    const Member member(below);
    freeze(group.fd());
    CHECK(refusal([&] { wait_for_event(inner, "frozen", false, 50ms); }) ==
          fmt::format("wait for cgroup frozen 0 (processes there: {}): ETIMEDOUT", member.pid()));
    thaw(group.fd());
    CHECK(refusal([&] { thaw(inner); }) == "accepted");
}

}  // namespace tenon::test
