// signalfd(2) turns a pending signal into something that poll(2) can wait for beside a pidfd.
#include "tenon/ending.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "tenon/error.hpp"

namespace tenon {

namespace {

bool is_ignored(int signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    return action.sa_handler == SIG_IGN;
}

// A blocked signal is kept although its disposition is to ignore it: those are left alone.
sigset_t signals_that_end() {
    sigset_t set{};
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        if (!is_ignored(signal)) sigaddset(&set, signal);
    }
    return set;
}

int next_signal(FdRef signals) {
    signalfd_siginfo info{};
    check(::read(signals.number(), &info, sizeof info), "read", "signalfd");
    return static_cast<int>(info.ssi_signo);
}

}  // namespace

EndingSignals::EndingSignals() {
    const sigset_t set = signals_that_end();
    signals_ = UniqueFd{static_cast<int>(check(::signalfd(-1, &set, SFD_CLOEXEC), "signalfd"))};
    ::sigprocmask(SIG_BLOCK, &set, &before_);
}

EndingSignals::~EndingSignals() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

// poll(2) asks one after the other. The event is asked last: a signal that was sent after it is
// never seen without it.
void EndingSignals::wait_for(FdRef event) const {
    std::array<pollfd, 2> watched{pollfd{signals_.ref().number(), POLLIN, 0},
                                  pollfd{event.number(), POLLIN, 0}};
    int ready = 0;
    do {
        ready = ::poll(watched.data(), watched.size(), -1);
    } while (ready < 0 && errno == EINTR);
    check(ready, "poll");
    if (watched[1].revents == 0) end();
}

void EndingSignals::end() const {
    throw EndedBySignal(next_signal(signals_));
}

}  // namespace tenon
