// 07.2: what an init hears and passes on.
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/init.hpp"

namespace tenon::test {

namespace {

// Sent to whoever listens, after what is tested. Of what is pending the lowest number is heard
// first, so who hears this one has heard nothing. signal(7), "Real-time signals"
constexpr int nothing_else = last_signal;

// What one process of the target received.
struct Received {
    std::atomic<pid_t> ready{0};  // its pid, once it listens
    std::atomic<bool> heard{false};
    int signal = 0;  // 0: nothing
    int value = 0;
    pid_t sender = -1;
};

// Blocks everything, says that it is ready, notes the next signal, and stays: its end would be a
// signal, too.
[[noreturn]] void receive_one(Received& received) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    set_blocked_signals(~SignalBits{0});
    received.ready = ::getpid();
    const siginfo_t info = wait_for_signal(~SignalBits{0});
    received.value = info.si_value.sival_int;
    received.sender = info.si_pid;
    received.signal = info.si_signo == nothing_else ? 0 : info.si_signo;
    received.heard = true;
    while (true) ::pause();
}

// A payload and another process in its group.
struct Group {
    Received leader;
    Received member;
};

[[noreturn]] void run_leader(Group& group) {
    ::setsid();
    if (::fork() == 0) receive_one(group.member);
    while (group.member.ready == 0) ::sched_yield();
    receive_one(group.leader);
}

siginfo_t sent(int signal) {
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = SI_USER;
    return info;
}

// A process that nothing can be queued for. getrlimit(2), RLIMIT_SIGPENDING
void without_room() {
    const rlimit none{};
    ::setrlimit(RLIMIT_SIGPENDING, &none);
}

void wait_until_ready(const Received& received) {
    while (received.ready == 0) ::sched_yield();
}

// After this it is known what it heard.
void let_hear(const Received& received) {
    ::kill(received.ready, nothing_else);
    while (!received.heard) ::sched_yield();
}

// Kills a child, or with all others the group that it leads, however its scope is left.
class Ended {
  public:
    enum class Who { Child, Group };
    Ended(pid_t child, Who who) : child_(child), target_(who == Who::Group ? -child : child) {}
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;
    ~Ended() {
        ::kill(target_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

  private:
    pid_t child_;
    pid_t target_;
};

// Forwards `info` to such a group, from a process of its own: it is ended in the end.
void forward_to_group(Group& group, const siginfo_t& info, bool to_group) {
    run_forked([&] {
        const pid_t leader = ::fork();
        if (leader == 0) run_leader(group);
        const Ended ended{leader, Ended::Who::Group};
        wait_until_ready(group.leader);
        forward_signal(info, {leader, to_group});
        let_hear(group.leader);
        let_hear(group.member);
        return 0;
    });
}

}  // namespace

TEST_CASE("signals_of_init are all of them", "[07.2]") {
    const SignalBits got = signals_of_init();
    for (int signal = 1; signal <= last_signal; ++signal) {
        if (signal == SIGKILL || signal == SIGSTOP) continue;  // as one likes
        const bool there = (got & signal_bit(signal)) != 0;
        fact("signal_left_out", !there);
        TENON_EXPECT(there, fmt::format("signal {} is waited for", signal), "it is not");
    }
}

TEST_CASE("is_forwarded passes on everything that can arrive", "[07.2]") {
    for (int signal = 1; signal <= last_signal; ++signal) {
        const bool cannot = signal == SIGKILL || signal == SIGSTOP || signal == SIGCHLD;
        if (cannot) continue;
        const bool forwarded = is_forwarded(signal);
        fact("real_time_left_out", !forwarded && signal >= 32);
        fact("signal_left_out", !forwarded && signal < 32);
        TENON_EXPECT(forwarded, fmt::format("signal {} is forwarded", signal), "it is not");
    }
}

TEST_CASE("is_forwarded keeps the news of one's own children", "[07.2]") {
    const bool child = is_forwarded(SIGCHLD);
    fact("children_news_forwarded", child);
    TENON_EXPECT(!child, "SIGCHLD is not forwarded", "it is");
    for (const int signal : {SIGKILL, SIGSTOP, 0, -1, 65}) {
        const bool other = is_forwarded(signal);
        TENON_EXPECT(!other, fmt::format("{} cannot arrive: not forwarded", signal), "forwarded");
    }
}

TEST_CASE("forward_signal sends the payload the signal", "[07.2]") {
    const int signal = random_below(2) == 0 ? SIGTERM : 34 + static_cast<int>(random_below(30));
    const SharedValue<Group> group;
    forward_to_group(*group, sent(signal), false);
    step(fmt::format("signal {} to a payload that has another process in its group", signal));
    const int got = group->leader.signal;
    TENON_EXPECT(got == signal, fmt::format("the payload hears {}", signal),
                 fmt::format("{}", got));
    const int other = group->member.signal;
    fact("always_to_the_group", other != 0);
    TENON_EXPECT(other == 0, "the other one hears nothing", fmt::format("{}", other));
}

TEST_CASE("forward_signal reaches the whole group when it is asked to", "[07.2]") {
    const SharedValue<Group> group;
    forward_to_group(*group, sent(SIGUSR1), true);
    const int leader = group->leader.signal;
    const int member = group->member.signal;
    step(fmt::format("the payload heard {}, the other one {}", leader, member));
    fact("group_forgotten", leader != 0 && member == 0);
    TENON_EXPECT(leader == SIGUSR1 && member == SIGUSR1, "both hear SIGUSR1",
                 fmt::format("{} and {}", leader, member));
}

TEST_CASE("forward_signal keeps the value of a queued signal", "[07.2]") {
    const SharedValue<Group> group;
    siginfo_t info = sent(40);
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = 1 + static_cast<int>(random_below(1'000'000));
    forward_to_group(*group, info, false);
    step(fmt::format("signal 40 with the value {}", info.si_value.sival_int));
    const int value = group->leader.value;
    fact("value_lost", value != info.si_value.sival_int);
    TENON_EXPECT(value == info.si_value.sival_int, fmt::format("{}", info.si_value.sival_int),
                 fmt::format("{}", value));
}

TEST_CASE("forward_signal sends the signal alone where its value has no room", "[07.2]") {
    const SharedValue<Group> group;
    run_forked([&] {
        const pid_t payload = ::fork();
        if (payload == 0) {
            without_room();
            receive_one(group->leader);
        }
        const Ended ended{payload, Ended::Who::Child};
        wait_until_ready(group->leader);
        siginfo_t info = sent(40);
        info.si_code = SI_QUEUE;
        forward_signal(info, {payload, false});
        let_hear(group->leader);
        return 0;
    });
    const int got = group->leader.signal;
    fact("no_room_no_signal", got == 0);
    TENON_EXPECT(got == 40, "it hears signal 40", fmt::format("{}", got));
}

TEST_CASE("forward_signal reaches a payload that leads no group yet", "[07.2]") {
    const SharedValue<Group> group;
    run_forked([&] {
        const pid_t payload = ::fork();
        if (payload == 0) receive_one(group->leader);  // between fork and setsid
        const Ended ended{payload, Ended::Who::Child};
        wait_until_ready(group->leader);
        forward_signal(sent(SIGTERM), {payload, true});
        let_hear(group->leader);
        return 0;
    });
    const int got = group->leader.signal;
    fact("lost_before_setsid", got == 0);
    TENON_EXPECT(got == SIGTERM, "it hears SIGTERM", fmt::format("{}", got));
}

TEST_CASE("set_blocked_signals blocks what the C library hides", "[07][uses-07.2]") {
    const Forked done = run_forked([] {
        set_blocked_signals(signals_of_init());
        say(status_field(::getpid(), "SigBlk"));
        return 0;
    });
    // KILL and STOP are the kernel's own: bits 8 and 18.
    CHECK(done.out == "fffffffffffbfeff");
}

}  // namespace tenon::test
