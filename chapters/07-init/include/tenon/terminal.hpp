/// @file
/// Chapter 07, the terminal: a pseudoterminal of the container's own, and a relay to ours.
///
///     our terminal            ch07                    container
///       raw mode   <-----  TerminalRelay  <----->  master | slave: 0, 1, 2 and /dev/console
///
/// The container makes the pair in its own devpts and hands the master out: a name that it finds
/// with ttyname(3) is one that it has. Neither side is ever found by a path (CVE-2025-52565).
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tenon/ending.hpp"
#include "tenon/fd.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon {

/// Size of a terminal, in characters.
struct TerminalSize {
    unsigned short rows = 0;
    unsigned short columns = 0;
};

/// What a container's terminal shall be like.
struct TerminalRequest {
    std::optional<TerminalSize> size;
    uid_t owner = 0;          ///< as seen in the container
    bool console = true;      ///< it is /dev/console, too
    bool controlling = true;  ///< of the caller's session; else an init gives it to its payload
    bool relayed = true;      ///< to a terminal, which makes "\r\n" of "\n": this one must not
};

/// On which a child hands its terminal out. Made before the child is.
class TerminalChannel {
  public:
    TerminalChannel() : ends_(SyncSocket::make_pair()) {}

    /// Child side, in the container's root: makes the terminal there, becomes leader of a session,
    /// and has it as standard input, output and error.
    /// @throws SysError  openat2 /dev/pts: ENOENT; setsid; ioctl; fchown: EINVAL (unmapped owner)
    /// @throws std::runtime_error  /dev/pts is no devpts
    void enter_terminal(const TerminalRequest& request);

    /// Parent side, once: the master. @throws SysError  recvmsg: EPIPE (the child made none)
    UniqueFd receive_master();
    /// The same, unless we are asked to end first. @throws EndedBySignal
    UniqueFd receive_master(const EndingSignals& signals);

  private:
    std::pair<SyncSocket, SyncSocket> ends_;
};

/// Child side, without a terminal of its own: a session of its own all the same. In the caller's
/// it could type into the caller's terminal (\man{ioctl_tty,2}, TIOCSTI), and Ctrl-C would reach it
/// twice.
void leave_session();

/// Bytes on their way in one direction. What is not taken is not read for: nothing grows.
class ByteLane {
  public:
    ByteLane(FdRef from, FdRef to) : from_(from), to_(to) {}

    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] bool wants_input() const { return !ended_ && begin_ == end_; }
    [[nodiscard]] bool wants_output() const { return begin_ != end_; }
    [[nodiscard]] FdRef from() const { return from_; }
    [[nodiscard]] FdRef to() const { return to_; }

    /// Reads once. The end, or an error, ends the lane.
    void read();
    /// Writes once. A receiver that is gone loses what is left, and ends the lane.
    void write();
    /// More bytes, although the lane has ended: a few. @pre all before them is written
    void put(std::span<const std::byte> bytes);
    /// The last one that was read; a newline, to begin with.
    [[nodiscard]] std::byte last() const { return last_; }
    /// Nothing more, in or out.
    void close();

  private:
    FdRef from_;
    FdRef to_;
    bool ended_ = false;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::byte last_{'\n'};
    std::array<std::byte, 4096> bytes_{};
};

/// Carries bytes between the caller's standard input and output and a container's terminal. While
/// it lives, a terminal on standard input is in raw mode: keys are the container's business.
class TerminalRelay {
  public:
    /// @throws SysError  tcsetattr; ioctl: EIO (the container's terminal is gone)
    TerminalRelay(UniqueFd master, FdRef input, FdRef output);
    TerminalRelay(const TerminalRelay&) = delete;
    TerminalRelay& operator=(const TerminalRelay&) = delete;
    ~TerminalRelay();

    /// Adds what the caller's poll() shall watch.
    void watch(std::vector<sys::Watched>& files) const;
    /// Carries what is ready of @p files, as poll() filled them in. Where nobody takes the output
    /// any more, that is a hang_up(): the container would stand still with a full terminal.
    void carry(std::span<const sys::Watched> files);

    /// The container's terminal becomes as large as ours, when ours is one.
    void adopt_size() const;
    /// Our terminal is as it was, until resume().
    void restore() const noexcept;
    void resume() const;
    /// The container's terminal is gone, as if a line was cut: its session is sent SIGHUP.
    void hang_up();

    /// When the container has ended: whether something that it wrote is still to be written, to
    /// output(), by write_rest().
    bool has_rest();
    void write_rest() { outward_.write(); }
    [[nodiscard]] FdRef output() const { return output_; }

  private:
    void end_input();

    UniqueFd master_;
    UniqueFd other_side_;  // held open: else the master would end whenever nobody has it open
    UniqueFd output_;
    FdRef terminal_;  // our own; invalid when standard input is none
    termios before_{};
    bool input_ended_ = false;
    ByteLane inward_;
    ByteLane outward_;
};

}  // namespace tenon
