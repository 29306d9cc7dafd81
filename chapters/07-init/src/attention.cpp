// Waiting for three things at once: the container's end, a signal, and the bytes of a terminal.
#include "tenon/attend.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/init.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// Faults are our own, and so are our children. SIGPIPE comes of our own writing.
constexpr std::array not_meant_for_others{SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGBUS, SIGFPE,
                                          SIGILL,  SIGTRAP, SIGABRT, SIGSYS,  SIGPIPE};
// A shell stops its jobs by these. Blocked, they would stop nobody.
constexpr std::array job_control{SIGTSTP, SIGTTIN, SIGTTOU};

template <typename List>
bool is_one_of(const List& list, int signal) {
    return std::find(list.begin(), list.end(), signal) != list.end();
}

// Ignored (nohup(1)) stays ignored: blocked, it would be kept all the same, and passed on.
std::uint64_t signals_to_hear() {
    std::uint64_t signals = 0;
    for (int signal = 1; signal <= last_signal; ++signal) {
        if (is_one_of(not_meant_for_others, signal) || is_one_of(job_control, signal)) continue;
        signals |= signal_bit(signal);
    }
    return signals & ~sys::ignored_signals();
}

ArrivedSignal arrived(const signalfd_siginfo& info) {
    ArrivedSignal signal{static_cast<int>(info.ssi_signo), {}};
    if (info.ssi_code == SI_QUEUE) {
        signal.value.emplace();
        signal.value->sival_ptr = reinterpret_cast<void*>(info.ssi_ptr);  // NOLINT: as it came
    }
    return signal;
}

std::optional<std::chrono::milliseconds> until(
    std::optional<Attention::Clock::time_point> deadline) {
    if (!deadline) return std::nullopt;
    using std::chrono::milliseconds;
    return std::chrono::ceil<milliseconds>(*deadline - Attention::Clock::now());
}

// False: there is no room for its value, the container's queue is full or has none. EAGAIN in
// sigqueue(3)
bool queue(const ArrivedSignal& signal, const Child& child) {
    try {
        sys::pidfd_queue_signal(child.pidfd(), signal.number, *signal.value);
        return true;
    } catch (const SysError& error) {
        if (error.error() != EAGAIN) throw;
        return false;
    }
}

}  // namespace

Attention::Attention() {
    hear(signals_to_hear());
}

Attention::~Attention() {
    sys::set_signal_mask(before_);
}

void Attention::hear(std::uint64_t signals) {
    UniqueFd descriptor = sys::signalfd(signals);
    const std::uint64_t blocked = sys::block_signals(signals);
    if (!signals_.valid()) before_ = blocked;
    signals_ = std::move(descriptor);
}

void Attention::serve(TerminalRelay* relay) {
    relay_ = relay;
    // Being stopped is now something to prepare for.
    hear(signals_to_hear() | (relay != nullptr ? signal_bit(SIGTSTP) : 0));
}

// What concerns our terminal alone.
bool Attention::relay_takes(const ArrivedSignal& signal) {
    if (relay_ == nullptr) return false;
    switch (signal.number) {
        case SIGWINCH: relay_->adopt_size(); return true;
        case SIGHUP: relay_->hang_up(); return true;
        case SIGTSTP:
            relay_->restore();
            sys::stop_own_process();
            return true;
        case SIGCONT:
            relay_->resume();
            relay_->adopt_size();
            return true;
        default: return false;
    }
}

// Whoever asks us to end meanwhile does not wait for a reader that takes nothing.
void Attention::carry_rest() {
    while (relay_->has_rest()) {
        std::array files{sys::Watched{signals_}, sys::Watched{relay_->output(), POLLOUT}};
        sys::poll(files, std::nullopt);
        if (files[0].ready != 0 && !relay_takes(arrived(sys::read_signal(signals_)))) return;
        if (files[1].ready != 0) relay_->write_rest();
    }
}

Attention::Event Attention::wait(FdRef pidfd, std::optional<Clock::time_point> deadline) {
    while (true) {
        std::vector<sys::Watched> files{{signals_}, {pidfd}};
        if (relay_ != nullptr) relay_->watch(files);
        const bool something = sys::poll(files, until(deadline));
        if (files[1].ready != 0) {
            if (relay_ != nullptr) carry_rest();
            return Event::Ended;
        }
        if (files[0].ready != 0) {
            signal_ = arrived(sys::read_signal(signals_));
            if (!relay_takes(signal_)) return Event::Signal;
        }
        if (relay_ != nullptr) relay_->carry(files);
        if (!something && deadline && Clock::now() >= *deadline) return Event::TimeIsUp;
    }
}

void pass_on(const ArrivedSignal& signal, const Child& child) {
    if (signal.value && queue(signal, child)) return;
    child.kill(signal.number);
}

}  // namespace tenon
