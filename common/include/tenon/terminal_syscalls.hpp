/// @file
/// Thin wrappers over the calls that make, size and hand over a terminal. Same rules as
/// syscalls.hpp.
#pragma once

#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include <cstddef>
#include <optional>
#include <span>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

/// @see \man{isatty,3}
bool is_terminal(FdRef file);
/// @throws SysError  tcgetattr, tcsetattr: EIO (its other side is gone). @see \man{termios,3}
termios tcgetattr(FdRef terminal);
void tcsetattr(FdRef terminal, const termios& settings);
/// @see \man{ioctl_tty,2}, TIOCGWINSZ, TIOCSWINSZ
winsize window_size(FdRef terminal);
void set_window_size(FdRef terminal, const winsize& size);

/// Whether the caller's process group is the one that may use @p terminal now; true also for a
/// terminal that does not control the caller's session. @see \man{tcgetpgrp,3}
bool in_foreground(FdRef terminal);

/// Lets the other side of the pseudoterminal @p master be opened. @see \man{unlockpt,3}
void unlock_pty(FdRef master);
/// Opens the other side of @p master; no name is looked up. @see \man{ioctl_tty,2}, TIOCGPTPEER
UniqueFd open_pty_peer(FdRef master);

/// The caller becomes leader of a new session without a terminal, and of a new group in it.
/// @throws SysError  setsid: EPERM (it leads a group already). @see \man{setsid,2}
void setsid();
/// Whether the caller leads its session.
bool leads_session();
/// @p terminal controls the session that the caller leads. @see \man{ioctl_tty,2}, TIOCSCTTY
/// @throws SysError  ioctl: EPERM (it controls another one)
void set_controlling_terminal(FdRef terminal);
/// Standard input, output and error become @p file. @see \man{dup2,2}
void replace_standard_descriptors(FdRef file);

/// Reads and writes of what may not be ready, or be gone: nothing when the call would have to wait
/// (EAGAIN). @throws SysError  read, write: EIO, EPIPE ...
std::optional<std::size_t> read_now(FdRef file, std::span<std::byte> buffer);
std::optional<std::size_t> write_now(FdRef file, std::span<const std::byte> data);
/// Later reads and writes by @p file's open file description return instead of waiting.
void set_nonblocking(FdRef file);
/// @see \man{fchown,2}
void fchown(FdRef file, uid_t uid, gid_t gid, CString subject);

}  // namespace tenon::sys
