#include "criu.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/terminal.hpp"

namespace tenon::ext {

namespace {

constexpr std::size_t largest_answer = std::size_t{1} << 16;

Command criu_command(FdRef socket) {
    return {.argv = {"criu", "swrk", fmt::format("{}", socket.number())},
            .environment = current_environment()};
}

void send_bytes(FdRef socket, const std::string& bytes) {
    sys::write_once(socket, bytes, "criu");
}

// What the host mounts later is seen, and nothing that is mounted here is seen by the host.
void make_mounts_slaves() {
    const UniqueFd root = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    sys::mount_setattr(root, {.propagation = MS_SLAVE}, true, "/");
}

UniqueFd open_folder(const std::string& path) {
    return sys::openat(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY);
}

// Child side. criu opens the folders as descriptors of who made its socket, and mounts there: so
// both are made here, in its own mount namespace. The request waits for it in the socket.
[[noreturn]] void become_criu(const CriuRun& run, SyncSocket& to_parent) {
    make_mounts_slaves();
    if (run.prepare) run.prepare();
    const UniqueFd images = open_folder(run.images_path);
    const UniqueFd work = open_folder(run.work_path);
    CriuRequest request = run.request;
    request.images = images;
    request.work = work;
    const std::pair<UniqueFd, UniqueFd> sockets = sys::socketpair(SOCK_SEQPACKET);
    const FdRef inner = sockets.second;
    send_bytes(sockets.first, encoded(request));
    to_parent.send(SyncKind::Ready, "criu", sockets.first.ref());
    // Ctrl-C is for us, and not for criu in the middle of a container. A job of our terminal comes
    // back into its session.
    if (!request.flags.shell_job) leave_session();
    exec(criu_command(inner), [&] {
        for (const FdRef each : {inner, images.ref(), work.ref()}) sys::keep_over_exec(each);
        for (const CriuSubstitute& each : request.inherited) sys::keep_over_exec(each.file);
    });
}

struct StartedCriu {
    Child process;
    UniqueFd socket;
};

StartedCriu start_criu(const CriuRun& run) {
    CloneArgs args;
    args.create = {Namespace::Mount};
    // Who is killed in the middle of a dump lets criu end it, or take it back.
    args.outlives_parent = run.request.task != CriuTask::Restore;
    const auto child_main = [&](SyncSocket& to_parent) -> int { become_criu(run, to_parent); };
    Child child = run.spawner ? run.spawner(args, child_main) : spawn(args, child_main);
    UniqueFd socket = child.socket().expect(SyncKind::Ready).fd;
    child.wait_for_exec();
    return {std::move(child), std::move(socket)};
}

bool is_summary(std::string_view line) {
    return line.ends_with("FAILED.") || line.ends_with("failed.");
}

// The last line that says what went wrong: the very last one says only that something did.
std::string last_error_in(std::string_view log) {
    std::string_view found;
    while (!log.empty()) {
        const std::string_view line = log.substr(0, log.find('\n'));
        log.remove_prefix(std::min(line.size() + 1, log.size()));
        const std::size_t error = line.find("Error (");
        if (error == std::string_view::npos) continue;
        if (found.empty() || !is_summary(line)) found = line.substr(error);
    }
    return std::string{found};
}

[[noreturn]] void fail(const CriuRun& run, const std::string& how) {
    const std::optional<std::string> log =
        read_kernel_file_if_present(open_folder(run.work_path), run.request.log_file);
    const std::string error = log ? last_error_in(*log) : std::string{};
    throw std::runtime_error(fmt::format("criu {}{}{}: see {}/{}", how, error.empty() ? "" : ": ",
                                         error, run.work_path, log ? run.request.log_file : ""));
}

// What is wrong is said by who finds it; that criu has gone meanwhile is not.
void refuse_consent(FdRef socket) noexcept {
    try {
        send_bytes(socket, encoded_consent(false));
    } catch (const std::exception&) {
        return;
    }
}

void answer_notice(const CriuRun& run, FdRef socket, CriuNotice notice) {
    try {
        if (run.on_notice) run.on_notice(notice);
    } catch (...) {
        refuse_consent(socket);
        throw;
    }
    send_bytes(socket, encoded_consent(true));
}

// Until criu says how it went.
CriuAnswer converse(const CriuRun& run, FdRef socket) {
    const EndingSignals signals;
    while (true) {
        if (run.request.task == CriuTask::Restore) signals.wait_for(socket);
        sys::ReceivedMessage message = sys::receive_with_descriptor(socket, largest_answer, "criu");
        if (message.text.empty()) fail(run, "ended without an answer");
        CriuAnswer answer = decoded_answer(message.text);
        if (answer.task != CriuTask::Notify) return answer;
        answer_notice(run, socket, {answer.script, answer.pid, std::move(message.fd)});
    }
}

}  // namespace

void require_criu(const std::string& verb) {
    if (::geteuid() != 0) throw std::runtime_error(verb + " needs root's rights, for criu");
    const FdRef here = FdRef::working_directory();
    // There as long as the kernel has CONFIG_CHECKPOINT_RESTORE. pid_namespaces(7)
    if (!sys::fstatat_if_present(here, "/proc/sys/kernel/ns_last_pid")) {
        throw std::runtime_error(verb + " needs a kernel with CONFIG_CHECKPOINT_RESTORE");
    }
    try {
        require_command(criu_command(FdRef{STDIN_FILENO}));
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        throw std::runtime_error(verb +
                                 " needs criu, which is not in $PATH: install the package criu");
    }
}

void run_criu(const CriuRun& run) {
    StartedCriu criu = start_criu(run);
    std::optional<CriuAnswer> answer;
    try {
        answer = converse(run, criu.socket);
    } catch (...) {
        criu.socket.reset();
        // Who has begun a dump takes it back, as soon as it hears of our end.
        if (run.request.task != CriuTask::Restore) criu.process.wait();
        throw;
    }
    criu.socket.reset();  // after a pre-dump it waits for more
    criu.process.wait();
    if (!answer->success) fail(run, "failed");
}

}  // namespace tenon::ext
