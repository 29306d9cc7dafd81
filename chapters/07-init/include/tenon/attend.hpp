/// @file
/// Chapter 07, the parent's side: with a container until it has ended.
///
/// Chapters 01 to 06 killed their container at the first signal. From now on a signal is passed on,
/// and the one that asks for the end gives the container time to end by itself.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>

#include "tenon/fd.hpp"
#include "tenon/namespaces.hpp"
#include "tenon/process.hpp"
#include "tenon/terminal.hpp"

namespace tenon {

/// How a container is asked to end.
struct StopPolicy {
    int signal = SIGTERM;                     ///< what SIGTERM becomes for the container
    std::chrono::milliseconds grace{10'000};  ///< from then until SIGKILL
};

/// A signal that this process was sent.
struct ArrivedSignal {
    int number = 0;
    std::optional<sigval> value;  ///< when it was queued with one: sigqueue(3)
};

/// Hears signals instead of being ended by them, from its making on: those that this process is
/// sent and does not ignore. Not its own faults (SIGSEGV ...), not its children's ends, and not
/// SIGTSTP, SIGTTIN and SIGTTOU, by which a shell stops it like any job.
class Attention {
  public:
    using Clock = std::chrono::steady_clock;
    enum class Event { Ended, Signal, TimeIsUp };

    /// @throws SysError  signalfd: EMFILE
    Attention();
    Attention(const Attention&) = delete;
    Attention& operator=(const Attention&) = delete;
    ~Attention();

    /// Waits until the process behind @p pidfd has ended, a signal arrives, or @p deadline, if
    /// there is one, has come. Meanwhile a relay is served.
    Event wait(FdRef pidfd, std::optional<Clock::time_point> deadline);
    /// After Event::Signal: which one.
    [[nodiscard]] const ArrivedSignal& signal() const { return signal_; }

    /// From now on, @p relay is served by wait(): bytes carried, the size adopted at SIGWINCH, our
    /// terminal restored while we are stopped. Such signals are its own, and no Event. @p relay
    /// must outlive the last wait(), or be taken off by null.
    void serve(TerminalRelay* relay);

  private:
    bool relay_takes(const ArrivedSignal& signal);
    void hear(std::uint64_t signals);
    void carry_rest();

    std::uint64_t before_ = 0;
    UniqueFd signals_;
    ArrivedSignal signal_;
    TerminalRelay* relay_ = nullptr;
};

/// Sends @p child what this process was sent; without its value where the child's queue has no room
/// for one. @throws SysError  pidfd_send_signal
void pass_on(const ArrivedSignal& signal, const Child& child);

/// Exercise 07.4. Stays with @p child until it has ended. Signals are passed on to it; SIGTERM as
/// policy.signal, and when it has not ended policy.grace after the first one, it is killed, which
/// for pid 1 of a pid namespace means everybody in there. @return how it ended, whoever ended it
ExitStatus attend(Child& child, Attention& attention, const StopPolicy& policy);

}  // namespace tenon
