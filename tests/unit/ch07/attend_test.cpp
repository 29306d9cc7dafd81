// 07.4: the parent stands for its container. Each scene plays in a process of its own, because
// signals are sent to a process: it attends, a child hears, and a third one sends.
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/attend.hpp"
#include "tenon/init.hpp"

namespace tenon::test {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Scene {
    std::atomic<bool> ready{false};
    std::array<std::atomic<int>, 65> heard{};  // by the child, by number
    std::atomic<int> value{0};
    std::atomic<int> code{-1};
    std::atomic<long> took_ms{-1};
};

// Hears everything and does what `on_signal` says: an exit code, or -1 to go on.
template <typename OnSignal>
int hear(Scene& scene, SyncSocket& to_parent, OnSignal on_signal) {
    set_blocked_signals(~SignalBits{0});
    to_parent.close();
    scene.ready = true;
    while (true) {
        const siginfo_t info = wait_for_signal(~SignalBits{0});
        ++scene.heard.at(static_cast<std::size_t>(info.si_signo));
        if (info.si_code == SI_QUEUE) scene.value = info.si_value.sival_int;
        const int code = on_signal(info.si_signo);
        if (code >= 0) return code;
    }
}

template <typename Send>
void start_sender(Scene& scene, Send send) {
    const pid_t target = ::getpid();
    if (::fork() != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != target) ::_exit(0);  // it was gone before that
    while (!scene.ready) ::sched_yield();
    send(target);
    ::_exit(0);
}

// Plays a scene: `child` gets its socket, `send` the pid of who attends.
template <typename ChildBody, typename Send>
void play(Scene& scene, const StopPolicy& policy, ChildBody child_body, Send send) {
    run_forked([&] {
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
        Attention attention;
        start_sender(scene, send);
        // To its end within Attention: after it, a signal that nobody took would end the process
        // before it says why.
        detail::run_body([&] {
            Child child = spawn({}, child_body);
            const auto begin = Clock::now();
            scene.code = attend(child, attention, policy).shell_code();
            scene.took_ms = std::chrono::duration_cast<milliseconds>(Clock::now() - begin).count();
            return 0;
        });
        return 0;
    });
}

void expect_code(const Scene& scene, int code) {
    TENON_EXPECT(scene.code == code, fmt::format("exit code {}", code),
                 fmt::format("{}", scene.code.load()));
}

constexpr StopPolicy patient{.signal = SIGTERM, .grace = milliseconds{60'000}};

}  // namespace

TEST_CASE("attend returns how the child ended", "[07.4][uses-01.1][uses-01.2]") {
    const int code = static_cast<int>(random_below(125));
    const SharedValue<Scene> scene;
    play(
        *scene, patient,
        [&](SyncSocket& to_parent) {
            to_parent.close();
            scene->ready = true;
            return code;
        },
        [](pid_t) {});
    expect_code(*scene, code);
}

TEST_CASE("attend passes signals on", "[07.4][uses-01.1][uses-01.2]") {
    for (const int signal : {SIGUSR1, SIGHUP, SIGQUIT, SIGCONT, SIGWINCH, 34, 64}) {
        const SharedValue<Scene> scene;
        play(
            *scene, patient,
            [&](SyncSocket& to_parent) {
                ::alarm(5);  // nothing arrives: that is to be told, too
                return hear(*scene, to_parent, [&](int got) { return got == signal ? 3 : 4; });
            },
            [&](pid_t target) { ::kill(target, signal); });
        step(fmt::format("signal {}: exit code {}", signal, scene->code.load()));
        fact("not_passed_on", scene->heard.at(static_cast<std::size_t>(signal)) == 0);
        expect_code(*scene, 3);
    }
}

TEST_CASE("attend keeps the value of a queued signal", "[07.4][uses-01.1][uses-01.2]") {
    const int value = 1 + static_cast<int>(random_below(1'000'000));
    const SharedValue<Scene> scene;
    play(
        *scene, patient,
        [&](SyncSocket& to_parent) { return hear(*scene, to_parent, [](int) { return 0; }); },
        [&](pid_t target) {
            sigval sent{};
            sent.sival_int = value;
            ::sigqueue(target, 40, sent);
        });
    TENON_EXPECT(scene->value == value, fmt::format("{}", value),
                 fmt::format("{}", scene->value.load()));
}

TEST_CASE("attend passes a queued signal on where its value has no room",
          "[07.4][uses-01.1][uses-01.2]") {
    const SharedValue<Scene> scene;
    play(
        *scene, patient,
        [&](SyncSocket& to_parent) {
            const rlimit none{};
            ::setrlimit(RLIMIT_SIGPENDING, &none);
            return hear(*scene, to_parent, [](int got) { return got == 40 ? 6 : 4; });
        },
        [&](pid_t target) { ::sigqueue(target, 40, sigval{}); });
    expect_code(*scene, 6);
}

TEST_CASE("attend sends the stop signal in place of SIGTERM", "[07.4][uses-01.1][uses-01.2]") {
    const SharedValue<Scene> scene;
    play(
        *scene, {.signal = SIGQUIT, .grace = milliseconds{60'000}},
        [&](SyncSocket& to_parent) { return hear(*scene, to_parent, [](int) { return 6; }); },
        [](pid_t target) { ::kill(target, SIGTERM); });
    const int quits = scene->heard.at(SIGQUIT);
    const int terms = scene->heard.at(SIGTERM);
    step(fmt::format("the policy says SIGQUIT; the child heard it {} times, SIGTERM {} times",
                     quits, terms));
    fact("not_translated", terms != 0);
    TENON_EXPECT(quits == 1 && terms == 0, "SIGQUIT once", fmt::format("SIGTERM {} times", terms));
    expect_code(*scene, 6);
}

TEST_CASE("attend kills a child that does not end in time", "[07.4][uses-01.1][uses-01.2]") {
    constexpr milliseconds grace{300};
    const SharedValue<Scene> scene;
    play(
        *scene, {.signal = SIGTERM, .grace = grace},
        [&](SyncSocket& to_parent) { return hear(*scene, to_parent, [](int) { return -1; }); },
        [](pid_t target) { ::kill(target, SIGTERM); });
    step(fmt::format("it swallows SIGTERM; after {} ms: {}", scene->took_ms.load(),
                     scene->code.load()));
    expect_code(*scene, 128 + SIGKILL);
    TENON_EXPECT(scene->heard.at(SIGTERM) == 1, "it was asked first", "it was not");
    TENON_EXPECT(scene->took_ms >= grace.count(), "not before 300 ms",
                 fmt::format("{} ms", scene->took_ms.load()));
}

TEST_CASE("attend lets a child end by itself in its grace period", "[07.4][uses-01.1][uses-01.2]") {
    const SharedValue<Scene> scene;
    play(
        *scene, patient,
        [&](SyncSocket& to_parent) {
            return hear(*scene, to_parent, [](int) {
                ::poll(nullptr, 0, 150);  // it writes what it has to write
                return 5;
            });
        },
        [](pid_t target) { ::kill(target, SIGTERM); });
    fact("killed_at_once", scene->code == 128 + SIGKILL);
    expect_code(*scene, 5);
}

TEST_CASE("attend counts the grace period from the first SIGTERM", "[07.4][uses-01.1][uses-01.2]") {
    constexpr milliseconds grace{400};
    const SharedValue<Scene> scene;
    play(
        *scene, {.signal = SIGTERM, .grace = grace},
        [&](SyncSocket& to_parent) { return hear(*scene, to_parent, [](int) { return -1; }); },
        [](pid_t target) {
            for (int i = 0; i < 40; ++i) {
                ::kill(target, SIGTERM);
                ::poll(nullptr, 0, 100);
            }
        });
    step(fmt::format("SIGTERM every 100 ms; killed after {} ms", scene->took_ms.load()));
    const bool again = scene->took_ms >= 3'000;
    fact("grace_began_again", again);
    TENON_EXPECT(!again, "about 400 ms", fmt::format("{} ms", scene->took_ms.load()));
    expect_code(*scene, 128 + SIGKILL);
}

TEST_CASE("attend passes on what is no SIGTERM without a grace period",
          "[07.4][uses-01.1][uses-01.2]") {
    // It hears SIGINT, goes on for longer than the grace period, and ends as it likes.
    const SharedValue<Scene> scene;
    play(
        *scene, {.signal = SIGTERM, .grace = milliseconds{50}},
        [&](SyncSocket& to_parent) {
            return hear(*scene, to_parent, [](int) {
                ::poll(nullptr, 0, 500);
                return 7;
            });
        },
        [](pid_t target) { ::kill(target, SIGINT); });
    fact("interrupt_is_stop", scene->code == 128 + SIGKILL);
    expect_code(*scene, 7);
}

TEST_CASE("a signal that was there before the child is passed on, too",
          "[07][uses-01.1][uses-01.2][uses-07.4]") {
    const SharedValue<Scene> scene;
    run_forked([&] {
        Attention attention;
        ::kill(::getpid(), SIGUSR2);
        detail::run_body([&] {
            Child child = spawn({}, [&](SyncSocket& to_parent) {
                return hear(*scene, to_parent, [](int) { return 0; });
            });
            scene->code = attend(child, attention, patient).shell_code();
            return 0;
        });
        return 0;
    });
    CHECK(scene->code == 0);
    CHECK(scene->heard.at(SIGUSR2) == 1);
}

TEST_CASE("Attention leaves ignored signals ignored, and gives back the mask", "[07]") {
    const Forked done = run_forked([] {
        std::signal(SIGHUP, SIG_IGN);
        const std::string before = status_field(::getpid(), "SigBlk");
        {
            const Attention attention;
            const SignalBits now = std::stoull(status_field(::getpid(), "SigBlk"), nullptr, 16);
            if ((now & signal_bit(SIGHUP)) != 0) return 1;
            for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, 34, 64}) {
                if ((now & signal_bit(signal)) == 0) return 2;
            }
            for (const int signal : {SIGTSTP, SIGSEGV, SIGCHLD, SIGPIPE}) {
                if ((now & signal_bit(signal)) != 0) return 3;
            }
        }
        return status_field(::getpid(), "SigBlk") == before ? 0 : 4;
    });
    CHECK(done.status == ExitStatus::exited(0));
}

}  // namespace tenon::test
