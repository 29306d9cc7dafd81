// One wrapper per call of ioctl_tty(2) and termios(3).
#include "tenon/terminal_syscalls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "traced_call.hpp"

namespace tenon::sys {

namespace {

std::optional<std::size_t> unless_it_had_to_wait(long rc, std::string_view call) {
    if (rc < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    return static_cast<std::size_t>(check(rc, call, "terminal"));
}

}  // namespace

bool is_terminal(FdRef file) {
    return ::isatty(file.number()) == 1;
}

termios tcgetattr(FdRef terminal) {
    termios settings{};
    check(::tcgetattr(terminal.number(), &settings), "tcgetattr");
    return settings;
}

void tcsetattr(FdRef terminal, const termios& settings) {
    traced_call(
        "tcsetattr", {}, [&] { return ::tcsetattr(terminal.number(), TCSANOW, &settings); },
        [&] { return fmt::format("{}, TCSANOW", describe(terminal)); });
}

winsize window_size(FdRef terminal) {
    winsize size{};
    check(::ioctl(terminal.number(), TIOCGWINSZ, &size), "ioctl", "TIOCGWINSZ");
    return size;
}

void set_window_size(FdRef terminal, const winsize& size) {
    traced_call(
        "ioctl", "TIOCSWINSZ", [&] { return ::ioctl(terminal.number(), TIOCSWINSZ, &size); },
        [&] {
            return fmt::format("{}, TIOCSWINSZ, {}x{}", describe(terminal), size.ws_row,
                               size.ws_col);
        });
}

bool in_foreground(FdRef terminal) {
    const pid_t group = ::tcgetpgrp(terminal.number());
    return group < 0 || group == ::getpgrp();
}

void unlock_pty(FdRef master) {
    int lock = 0;
    traced_call(
        "ioctl", "TIOCSPTLCK", [&] { return ::ioctl(master.number(), TIOCSPTLCK, &lock); },
        [&] { return fmt::format("{}, TIOCSPTLCK, 0", describe(master)); });
}

UniqueFd open_pty_peer(FdRef master) {
    return traced_open(
        "ioctl", "TIOCGPTPEER",
        [&] { return ::ioctl(master.number(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); },
        [&] { return fmt::format("{}, TIOCGPTPEER, O_RDWR|O_NOCTTY", describe(master)); });
}

void setsid() {
    traced_call(
        "setsid", {}, [] { return ::setsid(); }, [] { return std::string{}; });
}

bool leads_session() {
    return ::getsid(0) == ::getpid();
}

void set_controlling_terminal(FdRef terminal) {
    traced_call(
        "ioctl", "TIOCSCTTY", [&] { return ::ioctl(terminal.number(), TIOCSCTTY, 0); },
        [&] { return fmt::format("{}, TIOCSCTTY, 0", describe(terminal)); });
}

void replace_standard_descriptors(FdRef file) {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
        traced_call(
            "dup2", {}, [&] { return ::dup2(file.number(), number); },
            [&] { return fmt::format("{}, {}", describe(file), number); });
    }
}

std::optional<std::size_t> read_now(FdRef file, std::span<std::byte> buffer) {
    return unless_it_had_to_wait(::read(file.number(), buffer.data(), buffer.size()), "read");
}

std::optional<std::size_t> write_now(FdRef file, std::span<const std::byte> data) {
    return unless_it_had_to_wait(::write(file.number(), data.data(), data.size()), "write");
}

void set_nonblocking(FdRef file) {
    const long flags = check(::fcntl(file.number(), F_GETFL), "fcntl", "F_GETFL");
    check(::fcntl(file.number(), F_SETFL, static_cast<int>(flags) | O_NONBLOCK), "fcntl",
          "F_SETFL O_NONBLOCK");
}

void fchown(FdRef file, uid_t uid, gid_t gid, CString subject) {
    traced_call(
        "fchown", subject.view(), [&] { return ::fchown(file.number(), uid, gid); },
        [&] { return fmt::format("{}, {}, {}", describe(file), uid, gid); });
}

}  // namespace tenon::sys
