/// @file
/// Chapter 07, the contract of pid 1: reap, forward, become nobody's parent too late.
///
/// These functions are compiled twice: into the tests and stage programs, and into tenon-init, a
/// static program of a few kilobytes that the container gets before its command. So this header
/// and whoever implements it use the C library alone: no exceptions, nothing of libstdc++. An init
/// has nobody to report an exception to.
#pragma once

// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
// NOLINTEND(modernize-deprecated-headers)

namespace tenon {

// ---- reaping -------------------------------------------------------------------------------

/// What an init has reaped so far.
struct Reaped {
    pid_t payload = -1;  ///< the child whose end is the container's
    bool payload_ended = false;
    int payload_status = 0;     ///< as waitpid(2) gives it, once payload_ended
    unsigned long orphans = 0;  ///< how many others: nobody else would have reaped them
};

/// Exercise 07.1. Reaps every child that has ended by now, and waits for none. One SIGCHLD stands
/// for any number of children. @return whether children are left. @see \man{waitpid,2}
bool reap_ended(Reaped& reaped);

/// Exercise 07.1, too. How a process ended, as shells tell it: its exit code, or 128 and the
/// number of the signal. @param wait_status  as waitpid(2) gives it
int shell_code(int wait_status);

// ---- signals -------------------------------------------------------------------------------

/// A set of signals as the kernel keeps it: bit n - 1 stands for signal n, of 1 to 64. The C
/// library's sigset_t leaves out those that it uses itself: 32 and 33, and in musl also 34, which
/// others know as SIGRTMIN. @see \man{signal,7}, "Real-time signals"
using SignalBits = uint64_t;
inline constexpr int last_signal = 64;
constexpr SignalBits signal_bit(int signal) {
    return SignalBits{1} << (signal - 1);
}

/// Makes @p blocked the signals that wait instead of arriving. @return what was blocked before
/// @see \man{sigprocmask,2}
SignalBits set_blocked_signals(SignalBits blocked);

/// Waits for one of @p signals, which must be blocked. @see \man{rt_sigtimedwait,2}
siginfo_t wait_for_signal(SignalBits signals);

/// Exercise 07.2. What an init blocks, and waits for: every signal. Those that nobody can block
/// may be in it; the kernel leaves them out.
SignalBits signals_of_init();

/// Exercise 07.2, too. Whether an init passes @p signal on: everything that can arrive, but the
/// news of its own children.
bool is_forwarded(int signal);

/// Whom a signal is passed on to.
struct ForwardTarget {
    pid_t payload = -1;
    bool group = false;  ///< to every process of the payload's group
};

/// Exercise 07.2, too. Sends the signal of @p info to @p target, with its value when it was queued
/// with one (no group can be sent one) and the payload's queue has room for it. A payload that
/// leads no group yet gets it alone.
/// @see \man{kill,2} \man{sigqueue,3}
void forward_signal(const siginfo_t& info, const ForwardTarget& target);

// ---- the init ------------------------------------------------------------------------------

/// How an init starts its payload and treats it.
struct InitOptions {
    bool forward_to_group = false;  ///< signals go to the payload's whole process group
    bool take_terminal = false;     ///< standard input is a terminal: the payload's session gets it
    bool unblock = false;           ///< the caller blocked signals so that none is lost on the way
                                    ///< to here: the payload gets an empty mask instead
    bool report_orphans = false;    ///< tells how many orphans were reaped: see tell_orphans()
};

/// Exercise 07.3. Runs @p argv, looked up in PATH, as its child that leads a session of its own,
/// with the signal mask (see InitOptions::unblock) and the disposition of SIGCHLD that the caller
/// had. Reaps and forwards until the payload ends, then ends everybody else.
/// @return shell_code() of the payload; 126 when it cannot be executed, 127 when it is not there,
///         after a line on standard error; 125 when no child can be made
/// @pre pid 1 of its pid namespace, single-threaded
int run_init(const InitOptions& options, char* const* argv);

/// Child side. Puts @p disposition of SIGCHLD and the mask @p blocked back, and becomes @p argv.
/// Never returns: says what failed, and exits with 126 or 127.
[[noreturn]] void exec_payload(char* const* argv, const struct sigaction& disposition,
                               SignalBits blocked);

/// Gives SIGCHLD its default: ignored, children would be reaped by the kernel, with their status
/// lost (\man{waitpid,2}, ECHILD). @return the disposition before
struct sigaction hear_of_children();

/// Makes the terminal on standard input the controlling one of the caller's session.
/// @see \man{ioctl_tty,2}, TIOCSCTTY
void take_terminal();

/// Kills every other process of the pid namespace whose pid 1 the caller is, and reaps all of its
/// children, which count as orphans. Does nothing when it is not pid 1: there "everybody" would be
/// the machine. @see \man{kill,2}, pid -1
void end_everybody_else(Reaped& reaped);

/// Says @p count in the process's name, "init 17", which /proc/PID/comm shows to anybody.
void tell_orphans(unsigned long count);

}  // namespace tenon
