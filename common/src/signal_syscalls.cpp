// The raw calls, because glibc's take a sigset_t that has no room for 32 and 33.
#include "tenon/signal_syscalls.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <vector>

#include "tenon/own_status.hpp"
#include "traced_call.hpp"

namespace tenon::sys {

namespace {

// The kernel's own struct, all zero: SIG_DFL, no flags, no mask. sigaction(2), "C library/kernel
// differences". glibc's sigaction(3) would refuse signals 32 and 33, which its posix_spawn ignores.
constexpr std::size_t kernel_mask_bytes = 8;
struct KernelSigaction {
    void (*handler)(int) = SIG_DFL;
    unsigned long flags = 0;
    void (*restorer)() = nullptr;
    std::array<unsigned char, kernel_mask_bytes> mask{};
};

std::uint64_t change_signal_mask(int how, const char* how_text, std::uint64_t signals) {
    std::uint64_t before = 0;
    traced_call(
        "rt_sigprocmask", {},
        [&] { return ::syscall(SYS_rt_sigprocmask, how, &signals, &before, sizeof signals); },
        [&] { return fmt::format("{}, {:#x}", how_text, signals); });
    return before;
}

}  // namespace

std::uint64_t block_signals(std::uint64_t signals) {
    return change_signal_mask(SIG_BLOCK, "SIG_BLOCK", signals);
}

void set_signal_mask(std::uint64_t signals) {
    change_signal_mask(SIG_SETMASK, "SIG_SETMASK", signals);
}

UniqueFd signalfd(std::uint64_t signals) {
    return traced_open(
        "signalfd", {},
        [&] { return ::syscall(SYS_signalfd4, -1, &signals, sizeof signals, SFD_CLOEXEC); },
        [&] { return fmt::format("-1, {:#x}, SFD_CLOEXEC", signals); });
}

signalfd_siginfo read_signal(FdRef signals) {
    signalfd_siginfo info{};
    long got = 0;
    do {
        got = ::read(signals.number(), &info, sizeof info);
    } while (got < 0 && errno == EINTR);
    check(got, "read", "signalfd");
    return info;
}

std::uint64_t ignored_signals() {
    if (const std::optional<std::uint64_t> told = own_status_set("SigIgn")) return *told;
    std::uint64_t ignored = 0;
    for (int signal = 1; signal < NSIG; ++signal) {
        KernelSigaction action;
        const long rc = ::syscall(SYS_rt_sigaction, signal, nullptr, &action, kernel_mask_bytes);
        if (rc == 0 && action.handler == SIG_IGN) ignored |= std::uint64_t{1} << (signal - 1);
    }
    return ignored;
}

void reset_dispositions(std::uint64_t signals) {
    const KernelSigaction standard;
    for (int signal = 1; signal < NSIG; ++signal) {
        if ((signals >> (signal - 1) & 1) == 0) continue;
        // EINVAL for SIGKILL and SIGSTOP, which are always at their default.
        ::syscall(SYS_rt_sigaction, signal, &standard, nullptr, kernel_mask_bytes);
    }
}

void pidfd_queue_signal(FdRef pidfd, int signal, sigval value) {
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = ::getpid();
    info.si_uid = ::getuid();
    info.si_value = value;
    traced_call(
        "pidfd_send_signal", {},
        [&] { return ::syscall(SYS_pidfd_send_signal, pidfd.number(), signal, &info, 0); },
        [&] { return fmt::format("{}, {}, SI_QUEUE", pidfd.number(), signal); });
}

void stop_own_process() {
    check(::raise(SIGSTOP), "raise", "SIGSTOP");
}

bool poll(std::span<Watched> files, std::optional<std::chrono::milliseconds> timeout) {
    std::vector<pollfd> entries;
    entries.reserve(files.size());
    for (const Watched& each : files) entries.push_back({each.file.number(), each.events, 0});
    constexpr std::int64_t longest = std::numeric_limits<int>::max();
    const std::int64_t wait =
        timeout ? std::clamp<std::int64_t>(timeout->count(), 0, longest) : std::int64_t{-1};
    const int rc = ::poll(entries.data(), entries.size(), static_cast<int>(wait));
    const long ready = rc < 0 && errno == EINTR ? 0 : check(rc, "poll");
    for (std::size_t i = 0; i < files.size(); ++i) files[i].ready = entries[i].revents;
    return ready > 0;
}

}  // namespace tenon::sys
