// What the exercises of pid 1 stand on: calls of the C library, with no C++ library behind them.
//
// The signal calls are made without the C library, which hides the signals that it uses itself:
// sigprocmask(3) of musl would leave 34 unblocked, and a payload's SIGRTMIN would end in nothing.
// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
// NOLINTEND(modernize-deprecated-headers)

#include "tenon/bare_exec.hpp"
#include "tenon/init.hpp"

namespace tenon {

SignalBits set_blocked_signals(SignalBits blocked) {
    SignalBits before = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, &before, sizeof blocked);
    return before;
}

siginfo_t wait_for_signal(SignalBits signals) {
    siginfo_t info{};
    // It fails when we were stopped by SIGSTOP and continued (EINTR), and at nothing else.
    while (syscall(SYS_rt_sigtimedwait, &signals, &info, nullptr, sizeof signals) < 0) {
    }
    return info;
}

struct sigaction hear_of_children() {
    struct sigaction standard {};  // SIG_DFL is zero
    struct sigaction before {};
    sigaction(SIGCHLD, &standard, &before);
    return before;
}

void take_terminal() {
    // Refused (EPERM) where the terminal controls another session: the payload runs without.
    if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) perror("tenon-init: TIOCSCTTY");
}

void exec_payload(char* const* argv, const struct sigaction& disposition, SignalBits blocked) {
    sigaction(SIGCHLD, &disposition, nullptr);
    set_blocked_signals(blocked);
    exec_or_exit("tenon-init", argv);
}

void end_everybody_else(Reaped& reaped) {
    if (getpid() != 1) return;
    kill(-1, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) ++reaped.orphans;
}

void tell_orphans(unsigned long count) {
    char name[16];  // prctl(2), PR_SET_NAME: at most 16 bytes
    snprintf(name, sizeof name, "init %lu", count);
    prctl(PR_SET_NAME, name);
}

}  // namespace tenon
