#include "tenon/ending.hpp"

#include <unistd.h>

#include <csignal>

#include "catch.hpp"
#include "descriptors.hpp"
#include "forked.hpp"
#include "tenon/process.hpp"

namespace tenon::test {

namespace {

// Which of them the process blocks, as text.
std::string blocked() {
    sigset_t set{};
    ::sigprocmask(SIG_BLOCK, nullptr, &set);
    std::string names;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        if (sigismember(&set, signal) == 1) names += std::to_string(signal) + " ";
    }
    return names;
}

// The signal that ended the waiting for something that never comes; 0 when it came.
int ended_by(const EndingSignals& signals, FdRef event) {
    try {
        signals.wait_for(event);
    } catch (const EndedBySignal& end) {
        return end.signal();
    }
    return 0;
}

}  // namespace

TEST_CASE("EndingSignals turns a signal that asks to end into an exception") {
    const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP, SIGQUIT);
    CAPTURE(signal);
    const Forked process = run_forked([signal] {
        const Ends never = make_test_pipe();
        const EndingSignals signals;
        std::raise(signal);
        return ended_by(signals, never.first);
    });
    CHECK(process.status == ExitStatus::exited(signal));
}

TEST_CASE("EndingSignals hears a signal that comes while it waits") {
    const Forked process = run_forked([] {
        const Ends never = make_test_pipe();
        const EndingSignals signals;
        const pid_t parent = ::getpid();
        if (::fork() == 0) {
            ::usleep(20'000);
            ::kill(parent, SIGTERM);
            ::_exit(0);
        }
        return ended_by(signals, never.first);
    });
    CHECK(process.status == ExitStatus::exited(SIGTERM));
}

TEST_CASE("wait_for returns when the event can be read, and when its other side is closed") {
    const Forked process = run_forked([] {
        Ends ends = make_test_pipe();
        const EndingSignals signals;
        check(::write(ends.second.ref().number(), "x", 1), "write");
        if (ended_by(signals, ends.first) != 0) return 1;
        char byte = 0;
        check(::read(ends.first.ref().number(), &byte, 1), "read");
        ends.second.reset();
        return ended_by(signals, ends.first);
    });
    CHECK(process.status == ExitStatus::exited(0));
}

TEST_CASE("wait_for prefers the event to a signal, which is not lost") {
    const Forked process = run_forked([] {
        const Ends ends = make_test_pipe();
        check(::write(ends.second.ref().number(), "x", 1), "write");
        const EndingSignals signals;
        std::raise(SIGTERM);
        if (ended_by(signals, ends.first) != 0) return 1;
        char byte = 0;
        check(::read(ends.first.ref().number(), &byte, 1), "read");
        return ended_by(signals, ends.first);
    });
    CHECK(process.status == ExitStatus::exited(SIGTERM));
}

TEST_CASE("wait_for goes on waiting after a signal handler ran") {
    const Forked process = run_forked([] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGUSR1, &action, nullptr);
        const Ends ends = make_test_pipe();
        const EndingSignals signals;
        const pid_t parent = ::getpid();
        if (::fork() == 0) {
            for (int i = 0; i < 5; ++i) {
                ::usleep(5000);
                ::kill(parent, SIGUSR1);
            }
            check(::write(ends.second.ref().number(), "x", 1), "write");
            ::_exit(0);
        }
        return ended_by(signals, ends.first);
    });
    CHECK(process.out.empty());
    CHECK(process.status == ExitStatus::exited(0));
}

TEST_CASE("a signal that our caller ignores stays ignored") {
    const Forked process = run_forked([] {
        std::signal(SIGHUP, SIG_IGN);  // nohup(1)
        Ends ends = make_test_pipe();
        const EndingSignals signals;
        std::raise(SIGHUP);
        ends.second.reset();
        return ended_by(signals, ends.first);
    });
    CHECK(process.status == ExitStatus::exited(0));
}

TEST_CASE("EndingSignals leaves the mask and the descriptors as they were, nested too") {
    const Forked process = run_forked([] {
        const auto before = open_descriptors();
        {
            const EndingSignals outer;
            say(blocked() + "/");
            for (const int number : open_descriptors()) {
                if (!before.contains(number) && !is_cloexec(number)) return 1;
            }
            { const EndingSignals inner; }
            say(blocked() + "/");
        }
        say(blocked());
        return open_descriptors() == before ? 0 : 2;
    });
    CHECK(process.out == "2 15 1 3 /2 15 1 3 /");
    CHECK(process.status == ExitStatus::exited(0));
}

TEST_CASE("a signal that nobody waited for ends the process after all") {
    const Forked process = run_forked([] {
        {
            const EndingSignals signals;
            std::raise(SIGTERM);
            say("cleaned up");
        }
        return 0;
    });
    CHECK(process.out == "cleaned up");
    CHECK(process.status == ExitStatus::signaled(SIGTERM));
}

TEST_CASE("a command that is executed meanwhile can be ended as usual") {
    const Forked process = run_forked([]() -> int {
        const EndingSignals signals;
        exec({.argv = {"sh", "-c", "kill -TERM $$; echo still here"},
              .environment = current_environment()});
    });
    CHECK(process.out.empty());
    CHECK(process.status == ExitStatus::signaled(SIGTERM));
}

}  // namespace tenon::test
