// exec in the words of the chapters before: chapter 07 enters, chapter 08 takes away.
#include "tenon/joining.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>

#include "child_parts.hpp"
#include "cpu_affinity.hpp"
#include "lifecycle_parts.hpp"
#include "tenon/attended.hpp"
#include "tenon/ending.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/privileged_launch.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/rollback.hpp"
#include "tenon/running_container.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/unfinished_file.hpp"
#include "tenon/unix_socket.hpp"

namespace tenon {

namespace {

void check_console(const JoinRequest& request) {
    if (request.process.terminal && request.console == Console::None) {
        throw std::invalid_argument(
            "cannot allocate tty if runc will detach without setting console socket");
    }
    if (!request.process.terminal && request.console == Console::Socket) {
        throw std::invalid_argument(
            "cannot use console socket if runc will not detach or allocate tty");
    }
}

TerminalRequest terminal_for(const JoinRequest& request) {
    const oci::Process& process = request.process;
    const bool relayed = request.console == Console::Relay;
    return {.size = relayed ? size_when_relayed(process) : size_by_config(process),
            .owner = process.user.uid,
            .console = false,
            .relayed = relayed};
}

// What the child needs, decided and opened by the parent.
struct Joining {
    const JoinRequest& request;
    const Privileges& privileges;
    PreparedPrivileges& prepared;
    TerminalChannel& terminal;
};

[[noreturn]] void run_joined(const Joining& joining, SyncSocket& to_parent) {
    const oci::Process& process = joining.request.process;
    apply_final_affinity(process);
    if (process.terminal) {
        joining.terminal.enter_terminal(terminal_for(joining.request));
    } else {
        leave_session();
    }
    enter_working_directory(process);
    apply_process_limits(process);
    const Command command{process.args, environment_of(process),
                          joining.request.preserved_descriptors};
    const auto become = [&](const std::function<void()>& last_step) {
        require_command(command);
        exec(command, last_step);
    };
    exec_with_privileges(joining.privileges, joining.prepared, become, to_parent);
}

void send_terminal(const JoinRequest& request, FdRef terminal) {
    const UniqueFd engine = connect_to(request.console_socket, SOCK_STREAM);
    sys::send_with_descriptor(engine, "/dev/ptmx", terminal, request.console_socket);
}

// Between the look at its state and now, it may have ended, and its pid be a stranger's: what was
// opened of the process behind it is that of the pidfd, so the look comes last.
void require_same_process(const Container& container) {
    const std::optional<ProcessFacts> facts = look_at_process(container.record().pid);
    if (facts && facts->start_time == container.record().start_time) return;
    require(ContainerStatus::Stopped, Operation::Exec, container.record().id);
}

// A group that somebody has made within the container's.
UniqueFd open_subgroup(const Container& container, const std::string& path) {
    const std::size_t begin = std::min(path.find_first_not_of('/'), path.size());
    const std::string relative = begin == path.size() ? "." : path.substr(begin);
    UniqueFd group = sys::openat2(container.cgroup().directory(), relative, O_RDONLY | O_DIRECTORY,
                                  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    // Whoever is born in a frozen group stands still before it can be told of.
    if (read_kernel_file(group, "cgroup.events").find("frozen 1") != std::string::npos) {
        throw std::runtime_error("cgroup " + path + ": is frozen: thaw it first");
    }
    return group;
}

}  // namespace

ExitStatus stay_with(Child& child, Attention& attention, UniqueFd terminal) {
    const StopPolicy policy{.grace = std::chrono::hours{24 * 365 * 10}};
    if (!terminal.valid()) return attend(child, attention, policy);
    TerminalRelay relay(std::move(terminal), FdRef{STDIN_FILENO}, FdRef{STDOUT_FILENO});
    attention.serve(&relay);
    const ExitStatus status = attend(child, attention, policy);
    attention.serve(nullptr);
    return status;
}

int join(const Container& container, const oci::Spec& spec, const JoinRequest& request) {
    const trace::Step step{10, "exec", "one more process, with no more than the first one"};
    check_console(request);
    apply_initial_affinity(request.process);
    RunningContainer running = open_container(container.record().pid);
    require_same_process(container);
    if (!request.cgroup.empty()) running.cgroup = open_subgroup(container, request.cgroup);
    const Privileges privileges = decide_privileges(
        spec, request.process,
        own_powers(has_user_namespace(running), asks_for_labels(spec, request.process)),
        request.filter_compiler);
    PreparedPrivileges prepared =
        prepare_privileges(privileges, spec, container.record().bundle, "running");
    prepared.told_to_agent.id = container.record().id;
    prepared.outlives_parent = request.detach;
    // An error here has started nothing.
    const UniqueFd receiver =
        request.pidfd_socket.empty() ? UniqueFd{} : connect_to(request.pidfd_socket, SOCK_STREAM);
    Attention attention;
    // Whoever is in there can stop what joins (SIGSTOP), but not keep us from being ended.
    std::optional<EndingSignals> signals{std::in_place};
    TerminalChannel channel;
    Child child = spawn_in_container(
        running, NamespaceOptions{.pid_file = request.pid_file}, [&](SyncSocket& to_parent) -> int {
            if (request.detach) outlive_parent();
            run_joined({request, privileges, prepared, channel}, to_parent);
        });
    // A command that never ran leaves no file with the pid of a dead process.
    Rollback rollback;
    if (!request.pid_file.empty()) {
        rollback.add([&] { remove_file(FdRef::working_directory(), request.pid_file); });
    }
    if (receiver.valid()) {
        sys::send_with_descriptor(receiver, "setns", child.pidfd(), request.pidfd_socket);
    }
    UniqueFd terminal;
    if (request.process.terminal) terminal = channel.receive_master(*signals);
    if (request.console == Console::Socket) send_terminal(request, terminal);
    signals->wait_for(child.socket().fd());
    child.wait_for_exec();
    signals.reset();  // from now on they are its
    rollback.dismiss();
    if (!request.detach) return stay_with(child, attention, std::move(terminal)).shell_code();
    child.detach();
    return 0;
}

}  // namespace tenon
