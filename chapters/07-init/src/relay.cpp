// The caller's side of a container's terminal. Two lanes of one page each: a lane that is full is
// not read for, so that the kernel holds back whoever writes too fast.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/terminal.hpp"
#include "tenon/terminal_syscalls.hpp"

namespace tenon {

namespace {

// Whether writing may be made not to wait without anybody else noticing: a terminal and a pipe can
// be opened once more. A file would be written from its beginning.
bool can_be_opened_anew(FdRef file) {
    return sys::is_terminal(file) || S_ISFIFO(sys::fstat(file).st_mode);
}

// O_NONBLOCK belongs to the open file description, which is our caller's, too: so one of our own.
UniqueFd output_of_our_own(FdRef output) {
    if (!can_be_opened_anew(output)) return sys::duplicate(output);
    try {
        return sys::openat(FdRef::working_directory(),
                           fmt::format("/proc/self/fd/{}", output.number()),
                           O_WRONLY | O_NONBLOCK | O_NOCTTY);
    } catch (const SysError&) {
        return sys::duplicate(output);  // another user's terminal, after su(1)
    }
}

// cfmakeraw(3), but for output: "\n" from the container still begins a line, see terminal.cpp.
termios raw(termios settings) {
    const tcflag_t output = settings.c_oflag;
    ::cfmakeraw(&settings);
    settings.c_oflag = output;
    return settings;
}

}  // namespace

void ByteLane::read() {
    begin_ = 0;
    end_ = 0;
    try {
        const std::optional<std::size_t> got = sys::read_now(from_, bytes_);
        end_ = got.value_or(0);
        ended_ = got && *got == 0;
        if (end_ > 0) last_ = bytes_[end_ - 1];
    } catch (const SysError&) {
        ended_ = true;  // EIO: the terminal is gone
    }
}

void ByteLane::write() {
    try {
        const auto rest = std::span<const std::byte>{bytes_}.subspan(begin_, end_ - begin_);
        begin_ += sys::write_now(to_, rest).value_or(0);
    } catch (const SysError&) {
        close();
    }
}

void ByteLane::put(std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
    begin_ = 0;
    end_ = bytes.size();
}

void ByteLane::close() {
    ended_ = true;
    begin_ = end_;
}

TerminalRelay::TerminalRelay(UniqueFd master, FdRef input, FdRef output)
    : master_(std::move(master)),
      other_side_(sys::open_pty_peer(master_)),
      output_(output_of_our_own(output)),
      inward_(input, master_),
      outward_(master_, output_) {
    sys::set_nonblocking(master_);
    if (!sys::is_terminal(input)) return;
    before_ = sys::tcgetattr(input);
    terminal_ = input;
    resume();
    adopt_size();
}

TerminalRelay::~TerminalRelay() {
    restore();
}

void TerminalRelay::watch(std::vector<sys::Watched>& files) const {
    for (const ByteLane* lane : {&inward_, &outward_}) {
        if (lane->wants_input()) files.push_back({lane->from(), POLLIN});
        if (lane->wants_output()) files.push_back({lane->to(), POLLOUT});
    }
}

void TerminalRelay::carry(std::span<const sys::Watched> files) {
    for (const sys::Watched& each : files) {
        if (each.ready == 0) continue;
        for (ByteLane* lane : {&inward_, &outward_}) {
            const bool from = each.events == POLLIN && each.file.number() == lane->from().number();
            const bool to = each.events == POLLOUT && each.file.number() == lane->to().number();
            if (from && lane->wants_input()) lane->read();
            if (to && lane->wants_output()) lane->write();
        }
    }
    // What the container's side ends is its own affair; other_side_ keeps it from doing so.
    if (outward_.ended() && master_.valid()) return hang_up();
    if (inward_.ended() && !input_ended_) end_input();
}

// A terminal has no end of file: who reads a line is told by the character that a user would type,
// and a program in raw mode waits for none. In the middle of a line it says only that this is all
// so far, and is typed once more. termios(3), VEOF
void TerminalRelay::end_input() {
    input_ended_ = true;
    try {
        const termios settings = sys::tcgetattr(master_);
        if ((settings.c_lflag & ICANON) != 0) {
            const std::byte key{settings.c_cc[VEOF]};
            const std::array keys{key, key};
            const bool begins_line = inward_.last() == std::byte{'\n'};
            inward_.put(std::span{keys}.first(begins_line ? 1 : 2));
        }
    } catch (const SysError&) {
        return;  // EIO: the container's end came first
    }
}

void TerminalRelay::adopt_size() const {
    if (!terminal_.valid() || !master_.valid()) return;
    try {
        sys::set_window_size(master_, sys::window_size(terminal_));
    } catch (const SysError&) {
        return;  // EIO: one of the two is gone, and nobody is there to see it
    }
}

void TerminalRelay::restore() const noexcept {
    if (!terminal_.valid()) return;
    try {
        // From the background it would stop us (SIGTTOU), and the terminal is somebody else's now.
        if (sys::in_foreground(terminal_)) sys::tcsetattr(terminal_, before_);
    } catch (const SysError&) {
        return;  // EIO: our terminal is gone
    }
}

void TerminalRelay::resume() const {
    if (terminal_.valid()) sys::tcsetattr(terminal_, raw(before_));
}

void TerminalRelay::hang_up() {
    input_ended_ = true;
    inward_.close();
    outward_.close();
    other_side_.reset();
    master_.reset();
}

bool TerminalRelay::has_rest() {
    if (outward_.wants_input()) outward_.read();
    return outward_.wants_output();
}

}  // namespace tenon
