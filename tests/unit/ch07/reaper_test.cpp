// 07.1: every child that has ended is reaped, and the payload's end is remembered.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/init.hpp"

namespace tenon::test {

namespace {

// A child that ends with `code`, and has ended when this returns: a zombie.
pid_t zombie(int code) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(code);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    return pid;
}

// A child that runs as long as its parent does.
pid_t sleeper() {
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (::getppid() == parent) ::pause();
        ::_exit(0);  // it was gone before that
    }
    return pid;
}

// What the forked process found: it alone has no other children.
struct Found {
    Reaped reaped;
    bool children_left = false;
    int zombies_left = 0;
};

int count_zombies() {
    int count = 0;
    while (::waitpid(-1, nullptr, WNOHANG) > 0) ++count;
    return count;
}

// Runs `prepare`, then reap_ended() once, in a process of its own.
template <typename Prepare>
Found reap_once(Prepare prepare) {
    const SharedValue<Found> found;
    run_forked([&] {
        prepare(found->reaped);
        found->children_left = reap_ended(found->reaped);
        found->zombies_left = count_zombies();
        return 0;
    });
    return *found;
}

}  // namespace

TEST_CASE("reap_ended reaps every child that has ended", "[07.1]") {
    const int count = 2 + static_cast<int>(random_below(200));
    step(fmt::format("{} children have ended, then one call", count));
    const Found found = reap_once([&](Reaped&) {
        for (int i = 0; i < count; ++i) zombie(0);
    });
    step(fmt::format("{} zombies are left", found.zombies_left));
    fact("one_per_call", found.zombies_left == count - 1);
    fact("only_the_payload", found.zombies_left == count);
    TENON_EXPECT(found.zombies_left == 0, "no zombie",
                 fmt::format("{} of them", found.zombies_left));
    const auto orphans = static_cast<int>(found.reaped.orphans);
    TENON_EXPECT(orphans == count, fmt::format("{} orphans counted", count),
                 fmt::format("{}", orphans));
    TENON_EXPECT(!found.children_left, "no children left: false", "true");
}

TEST_CASE("reap_ended remembers the payload's status, and nobody else's", "[07.1]") {
    const int code = 1 + static_cast<int>(random_below(100));
    step(fmt::format("the payload ends with {}, then another child with {}", code, code + 1));
    const Found found = reap_once([&](Reaped& reaped) {
        zombie(code + 1);
        reaped.payload = zombie(code);
        for (int i = 0; i < 20; ++i) zombie(code + 1);
    });
    TENON_EXPECT(found.reaped.payload_ended, "the payload has ended", "not so");
    const int got = WEXITSTATUS(found.reaped.payload_status);
    fact("status_of_another", got == code + 1);
    TENON_EXPECT(got == code, fmt::format("exit code {}", code), fmt::format("{}", got));
    fact("stopped_at_payload", found.zombies_left > 0);
    TENON_EXPECT(found.zombies_left == 0, "those after it are reaped, too",
                 fmt::format("{} zombies left", found.zombies_left));
    const auto orphans = found.reaped.orphans;
    fact("payload_is_orphan", orphans == 22);
    TENON_EXPECT(orphans == 21, "21 orphans: all but the payload", fmt::format("{}", orphans));
}

TEST_CASE("reap_ended waits for nobody", "[07.1]") {
    const Found found = reap_once([&](Reaped& reaped) {
        reaped.payload = sleeper();
        zombie(0);
    });
    step("a payload that runs on, and one zombie");
    TENON_EXPECT(found.children_left, "children are left: true", "false");
    TENON_EXPECT(!found.reaped.payload_ended, "the payload has not ended", "it has, it says");
    TENON_EXPECT(found.reaped.orphans == 1, "one orphan", fmt::format("{}", found.reaped.orphans));
}

TEST_CASE("reap_ended without children says so", "[07.1]") {
    const Found found = reap_once([](Reaped&) {});
    TENON_EXPECT(!found.children_left, "false", "true");
    TENON_EXPECT(found.reaped.orphans == 0, "no orphan", fmt::format("{}", found.reaped.orphans));
}

TEST_CASE("shell_code is the exit code, or 128 and the signal", "[07.1]") {
    const int code = static_cast<int>(random_below(256));
    const int exited = shell_code(code << 8);  // waitpid(2): the low byte is the signal
    TENON_EXPECT(exited == code, fmt::format("exit code {}", code), fmt::format("{}", exited));
    for (const int signal : {SIGHUP, SIGKILL, SIGTERM, 34, 64}) {
        const int killed = shell_code(signal);
        fact("signal_not_told", killed != 128 + signal);
        TENON_EXPECT(killed == 128 + signal, fmt::format("{} for signal {}", 128 + signal, signal),
                     fmt::format("{}", killed));
    }
    const int dumped = shell_code(SIGSEGV | 0x80);  // with a core file
    TENON_EXPECT(dumped == 128 + SIGSEGV, "139 for a core dump", fmt::format("{}", dumped));
}

}  // namespace tenon::test
