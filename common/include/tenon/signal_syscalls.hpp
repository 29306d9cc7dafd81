/// @file
/// Thin wrappers over the calls that turn signals into something to wait for beside other events.
/// Same rules as syscalls.hpp.
///
/// A set of signals is the kernel's own: bit n - 1 stands for signal n. The C library's leaves out
/// the two that it uses itself. @see \man{signal,7}
#pragma once

#include <poll.h>
#include <sys/signalfd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <span>

#include "tenon/fd.hpp"

namespace tenon::sys {

/// Blocks @p signals, too. @return what was blocked before. @see \man{sigprocmask,2}
std::uint64_t block_signals(std::uint64_t signals);
/// Blocks exactly @p signals.
void set_signal_mask(std::uint64_t signals);
/// A descriptor that can be read when one of @p signals, which must be blocked, is pending.
/// @throws SysError  signalfd: EMFILE. @see \man{signalfd,2}
UniqueFd signalfd(std::uint64_t signals);
/// The next signal; waits for it. @throws SysError  read
signalfd_siginfo read_signal(FdRef signals);
/// The signals that this process ignores. @see \man{sigaction,2}
std::uint64_t ignored_signals();
/// Gives each of @p signals its default action.
void reset_dispositions(std::uint64_t signals);

/// Sends a signal with a value, as sigqueue(3) does. @throws SysError  pidfd_send_signal: ESRCH
void pidfd_queue_signal(FdRef pidfd, int signal, sigval value);
/// Stops this process until it is sent SIGCONT. @see \man{raise,3}
void stop_own_process();

/// One descriptor that poll() looks at.
struct Watched {
    FdRef file;
    short events = POLLIN;
    short ready = 0;  ///< out: what has happened
};
/// Waits until one of @p files is ready. @param timeout  none: for ever
/// @return false  after the timeout, or when a signal handler ran. @see \man{poll,2}
bool poll(std::span<Watched> files, std::optional<std::chrono::milliseconds> timeout);

}  // namespace tenon::sys
