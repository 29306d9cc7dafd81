/// @file
/// Ctrl-C while something must still be cleaned up.
///
/// A process that SIGINT ends runs no destructors: its cgroup, its link, its mount would stay.
/// While an EndingSignals lives, such a signal waits in a descriptor instead, and becomes an
/// exception where the program waits anyway. run_program() then ends by the signal after all, as
/// whoever sent it expects.
#pragma once

#include <csignal>
#include <exception>

#include "tenon/fd.hpp"

namespace tenon {

/// A signal that asks this process to end. Not an error: run_program() repeats the signal.
class EndedBySignal : public std::exception {
  public:
    explicit EndedBySignal(int signal) : signal_(signal) {}
    [[nodiscard]] int signal() const { return signal_; }
    [[nodiscard]] const char* what() const noexcept override { return "ended by a signal"; }

  private:
    int signal_;
};

/// Holds back SIGINT, SIGTERM, SIGHUP and SIGQUIT, as far as our caller does not ignore them
/// (nohup(1)); those stay ignored here, while exec() gives the command its default back.
/// May be nested. A child inherits the blocked signals; exec() unblocks them.
/// @see \man{signalfd,2}
class EndingSignals {
  public:
    /// @throws SysError  signalfd: EMFILE
    EndingSignals();
    ~EndingSignals();
    EndingSignals(const EndingSignals&) = delete;
    EndingSignals& operator=(const EndingSignals&) = delete;

    /// Waits until @p event can be read (a pidfd: until its process has ended) or is closed by
    /// the other side. @throws EndedBySignal  one of the signals came first
    void wait_for(FdRef event) const;

    /// Can be read when one of the signals has come.
    [[nodiscard]] FdRef fd() const { return signals_; }
    /// @pre one has come. @throws EndedBySignal
    [[noreturn]] void end() const;

  private:
    sigset_t before_{};
    UniqueFd signals_;
};

}  // namespace tenon
