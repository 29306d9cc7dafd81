// What an operation does to a process or a group.
#include "lifecycle_parts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "tenon/container_group.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/hooks.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/unfinished_file.hpp"
#include "tenon/unix_socket.hpp"
#include "tenon/utc_time.hpp"

namespace tenon {

namespace {

constexpr std::chrono::milliseconds kill_patience{10'000};

// With nanoseconds, as engines parse it.
std::string now_as_text() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return fmt::format("{}.{:09}Z", utc_text(now.tv_sec), now.tv_nsec);
}

std::string rootfs_of(const Bundle& bundle) {
    const std::string& path = bundle.spec.root->path;
    return path.starts_with('/') ? path : bundle.path + "/" + path;
}

[[noreturn]] void not_running() {
    throw ContainerError("container not running");
}

// One that has ended meanwhile needs no signal.
void signal_process(pid_t pid, int signal) {
    try {
        sys::pidfd_send_signal(sys::pidfd_open(pid), signal);
    } catch (const SysError& error) {
        if (error.error() != ESRCH) throw;
    }
}

// The groups above `group` that are not there yet, or were made for other containers: whoever is
// the last removes them. The outer ones first.
std::vector<std::string> removable_above(const CgroupHierarchy& hierarchy,
                                         const std::string& group) {
    std::vector<std::string> removable;
    for (const std::string& above : ancestors_of(group)) {
        if (above.empty()) continue;  // the root
        const bool missing = !sys::fstatat_if_present(hierarchy.root, above).has_value();
        if (missing || is_made_for_containers(hierarchy.root, above)) removable.push_back(above);
    }
    return removable;
}

}  // namespace

ContainerRecord record_for(const LaunchRequest& request, const Bundle& bundle) {
    const std::optional<oci::Hooks>& hooks = bundle.spec.hooks;
    return {.oci_version = bundle.spec.oci_version,
            .id = request.id,
            .bundle = bundle.path,
            .rootfs = rootfs_of(bundle),
            .created = now_as_text(),
            .annotations = bundle.spec.annotations,
            .has_poststart = hooks && !hooks->poststart.empty(),
            .has_poststop = hooks && !hooks->poststop.empty()};
}

StateOf teller_of(const ContainerRecord& record) {
    return [&record](std::string_view status, pid_t pid) {
        ContainerRecord seen = record;
        seen.pid = pid;
        return state_json(
            seen, status == "created" ? ContainerStatus::Created : ContainerStatus::Creating);
    };
}

void note_place(const LaunchPlan& plan, const CgroupHierarchy& hierarchy, const std::string& group,
                ContainerRecord& record) {
    record.cgroup = group;
    record.cgroup_mount = hierarchy.mount_point;
    // Those of a group that an extension makes are its manager's own.
    if (plan.group_maker == nullptr) record.groups_above = removable_above(hierarchy, group);
}

UniqueFd gate_for(const ContainerFolder& folder, Begin begin) {
    if (begin == Begin::AtOnce) return {};
    return listen_at(folder.directory(), gate_name, SOCK_SEQPACKET);
}

SyncSocket pass_gate(const ContainerFolder& folder, const ContainerRecord& record) {
    try {
        SyncSocket way_in =
            SyncSocket::over(connect_to(folder.directory(), gate_name, SOCK_SEQPACKET));
        way_in.send(SyncKind::Go);
        return way_in;
    } catch (const SysError& error) {
        const int reason = error.error();
        if (reason != ECONNREFUSED && reason != ENOENT && reason != EPIPE) throw;
        // Nobody is behind it. The container has ended since it was looked at; or runs, and who
        // started it was killed before the removal of the gate.
        close_gate(folder);
        require(status_from(record, {.process = look_at_process(record.pid)}), Operation::Start,
                record.id);
        throw;
    }
}

void close_gate(const ContainerFolder& folder) {
    remove_file(folder.directory(), gate_name);
}

UniqueFd take_terminal(const LaunchPlan& plan, Launched& launched) {
    return plan.terminal ? launched.terminal.receive_master() : UniqueFd{};
}

void note_process(pid_t pid, ContainerRecord& record) {
    const std::optional<ProcessFacts> facts = look_at_process(pid);
    if (!facts) not_running();
    record.pid = pid;
    record.start_time = facts->start_time;
}

void note_child(const Launched& launched, ContainerRecord& record) {
    note_process(launched.child.pid(), record);
    if (launched.group) {
        record.groups_above = launched.group->above.made();
    } else {
        record.cgroup.clear();
    }
}

void hand_over(const LaunchRequest& request, FdRef terminal, pid_t pid) {
    if (request.console == Console::Socket && terminal.valid()) {
        const UniqueFd engine = connect_to(request.console_socket, SOCK_STREAM);
        // The name is for people; one byte at least has to go with the descriptor. unix(7)
        sys::send_with_descriptor(engine, "/dev/ptmx", terminal, request.console_socket);
    }
    if (!request.pid_file.empty()) write_pid_file(request.pid_file, pid);
}

Child let_go(Launched& launched, Begin begin) {
    if (begin == Begin::AtGate) launched.child.socket().send(SyncKind::Go, "gate");
    if (launched.group) {
        launched.group->group.keep();
        launched.group->above.keep();
    }
    if (begin == Begin::AtGate) launched.child.detach();
    return std::move(launched.child);
}

void run_poststart(const ContainerRecord& record, const oci::Spec& spec) {
    if (!spec.hooks) return;
    run_hooks("poststart", with_environment(spec.hooks->poststart, current_environment()),
              state_json(record, ContainerStatus::Running));
}

void run_poststop(const ContainerRecord& record, const oci::Spec& spec) {
    if (!spec.hooks || spec.hooks->poststop.empty()) return;
    run_hooks_anyway("poststop", with_environment(spec.hooks->poststop, current_environment()),
                     state_json(record, ContainerStatus::Stopped));
}

UniqueFd open_first_process(const ContainerRecord& record) {
    try {
        if (record.pid <= 0) not_running();
        return sys::pidfd_open(record.pid);
    } catch (const SysError& error) {
        if (error.error() != ESRCH) throw;
        not_running();
    }
}

void end_first_process(const ContainerRecord& record) {
    try {
        const UniqueFd first = open_first_process(record);
        const std::optional<ProcessFacts> facts = look_at_process(record.pid);
        if (!facts || facts->start_time != record.start_time) return;
        sys::pidfd_send_signal(first, SIGKILL);
        // Its end, whoever reaps it. pidfd_open(2)
        if (sys::poll_for_input(first, kill_patience)) return;
        throw std::runtime_error(
            fmt::format("process {} cannot be killed now: the kernel does something for it that "
                        "cannot be interrupted",
                        record.pid));
    } catch (const ContainerError&) {
        return;
    } catch (const SysError& error) {
        if (error.error() != ESRCH) throw;
    }
}

void signal_everybody(const CgroupManager& group, int signal) {
    if (signal == SIGKILL) return write_kernel_file(group.directory(), "cgroup.kill", "1");
    for (const pid_t pid : processes_below(group.directory())) signal_process(pid, signal);
}

void remove_groups(const ContainerRecord& record) {
    if (record.cgroup.empty()) return;
    const CgroupHierarchy hierarchy = open_recorded_hierarchy(record);
    const std::size_t slash = record.cgroup.rfind('/');
    const std::string above = slash == std::string::npos ? "" : record.cgroup.substr(0, slash);
    try {
        const UniqueFd parent = sys::openat(hierarchy.root, above.empty() ? "." : above,
                                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        remove_cgroup(parent, record.cgroup.substr(slash + 1));
    } catch (const SysError& error) {
        if (error.error() != ENOENT && error.error() != ENODEV) throw;  // somebody else was first
    }
    remove_empty_groups(hierarchy, record.groups_above);
}

}  // namespace tenon
