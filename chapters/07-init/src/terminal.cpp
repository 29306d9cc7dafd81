// The container's side of its terminal, made when its root is there and before it runs anything.
//
// CVE-2025-52565: a runtime mounted /dev/pts/N, a path, on /dev/console, and whoever swapped that
// path had another file mounted there, before the masks were. Here ptmx is opened in the devpts
// whose descriptor was looked at, and its other side by an ioctl: there is no path to swap.
#include "tenon/terminal.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <cerrno>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/terminal_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

UniqueFd open_folder_without_links(const char* path) {
    return sys::openat2(FdRef::working_directory(), path, O_PATH | O_DIRECTORY,
                        RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

[[noreturn]] void refuse_without_devpts() {
    throw std::runtime_error(
        "a terminal needs a devpts at /dev/pts: add a mount of type devpts, with newinstance");
}

UniqueFd open_devpts() {
    try {
        return open_folder_without_links("/dev/pts");
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        refuse_without_devpts();
    }
}

// A devpts has its own multiplexer; anything else of that name is the image's trick, or a mistake.
UniqueFd open_multiplexer() {
    const UniqueFd devpts = open_devpts();
    if (sys::file_system_type(devpts) != DEVPTS_SUPER_MAGIC) refuse_without_devpts();
    return sys::openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
}

// "\n" becomes "\r\n" on its way to a screen, once: the caller's terminal does that. Were it done
// here, too, a file that the output is sent to would have the "\r".
void leave_newlines_alone(FdRef terminal) {
    termios settings = sys::tcgetattr(terminal);
    settings.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
    sys::tcsetattr(terminal, settings);
}

// The file that the terminal is mounted on; made, unless something is there.
UniqueFd open_console_target() {
    const UniqueFd dev = open_folder_without_links("/dev");
    try {
        sys::mknodat(dev, "console", S_IFREG | 0600, 0);
    } catch (const SysError& error) {
        if (error.error() == EROFS) {
            throw std::runtime_error(
                "a terminal is /dev/console as well, and has no place in a read-only /dev: leave "
                "out its option ro");
        }
        if (error.error() != EEXIST) throw;
    }
    // Without O_NOFOLLOW: with it and O_PATH, a link itself would be opened. openat2(2)
    return sys::openat2(dev, "console", O_PATH,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

void bind_console(FdRef terminal) {
    const trace::Step step{7, "bind /dev/console", "by descriptor: a path could be swapped"};
    const UniqueFd target = open_console_target();
    sys::move_mount(sys::open_tree_clone(terminal, "", false), target, "/dev/console");
}

void set_up(FdRef terminal, const TerminalRequest& request) {
    if (request.relayed) leave_newlines_alone(terminal);
    if (request.size) {
        sys::set_window_size(terminal, {request.size->rows, request.size->columns, 0, 0});
    }
    // tty(4): else the user may use the descriptor, and cannot open /dev/tty or mesg(1) it.
    if (request.owner != 0) {
        sys::fchown(terminal, request.owner, static_cast<gid_t>(-1), "the terminal");
    }
    if (request.console) bind_console(terminal);
}

}  // namespace

void leave_session() {
    const trace::Step step{7, "lead a session", "in the caller's, it could type for the caller"};
    if (!sys::leads_session()) sys::setsid();
}

void TerminalChannel::enter_terminal(const TerminalRequest& request) {
    const trace::Step step{7, "make a terminal", "in the container's own devpts"};
    ends_.first.close();
    const UniqueFd master = open_multiplexer();
    sys::unlock_pty(master);
    const UniqueFd terminal = sys::open_pty_peer(master);
    set_up(terminal, request);
    ends_.second.send(SyncKind::Spawned, "terminal", master.ref());
    ends_.second.close();
    leave_session();
    sys::replace_standard_descriptors(terminal);
    if (request.controlling) sys::set_controlling_terminal(terminal);
}

UniqueFd TerminalChannel::receive_master() {
    ends_.second.close();  // or a child that made no terminal would be waited for
    return std::move(ends_.first.expect(SyncKind::Spawned).fd);
}

UniqueFd TerminalChannel::receive_master(const EndingSignals& signals) {
    ends_.second.close();
    signals.wait_for(ends_.first.fd());
    return receive_master();
}

}  // namespace tenon
