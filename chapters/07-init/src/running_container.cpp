// What the kernel tells of a process that is to be joined, in the order in which it is safe to ask.
#include "tenon/running_container.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>

#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/spawn_entering_group.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

UniqueFd open_process_directory(pid_t pid) {
    return sys::openat(FdRef::working_directory(), fmt::format("/proc/{}", pid),
                       O_PATH | O_DIRECTORY);
}

// A magic link: it leads to the root itself, not to what its text says. proc_pid_root(5)
UniqueFd open_root(FdRef process, pid_t pid) {
    try {
        return sys::openat(process, "root", O_PATH | O_DIRECTORY);
    } catch (const SysError& error) {
        throw SysError(error.error(), "open root", fmt::format("process {}", pid));
    }
}

// Whoever is moved into a frozen group stops where it is, in the middle of joining, and whoever
// waits for it waits until somebody thaws the group.
void refuse_frozen(const CgroupHierarchy& hierarchy, const std::string& group) {
    std::vector<std::string> groups = ancestors_of(group);
    groups.push_back(group);
    for (const std::string& each : groups) {
        if (each.empty()) continue;  // the root cannot be frozen
        const std::optional<std::string> freeze =
            read_kernel_file_if_present(hierarchy.root, each + "/cgroup.freeze");
        if (!freeze || !freeze->starts_with('1')) continue;
        throw std::runtime_error(fmt::format(
            "cgroup /{}: is frozen, and so would be whatever enters it: thaw it first, echo 0 > "
            "{}/{}/cgroup.freeze",
            each, hierarchy.mount_point, each));
    }
}

// The root of the hierarchy has no name.
UniqueFd open_group(FdRef process, pid_t pid) {
    const std::string theirs = read_kernel_file(process, "cgroup");
    if (theirs == read_kernel_file(FdRef::working_directory(), "/proc/self/cgroup")) return {};
    const std::string path = cgroup_path_of(theirs, pid);
    CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    if (path.empty()) return std::move(hierarchy.root);
    refuse_frozen(hierarchy, path);
    return sys::duplicate(CgroupManager::open(hierarchy, path).directory());
}

std::vector<std::string> environment_of(FdRef process) {
    try {
        return parse_environment(read_kernel_file(process, "environ"));
    } catch (const SysError& error) {
        if (error.error() != EACCES) throw;
        return {};
    }
}

[[noreturn]] void tell_end(pid_t pid) {
    throw SysError(ESRCH, "pidfd_open", fmt::format("process {}", pid));
}

// A pid 1 that ends has no root any more while it kills its namespace, and waits for that.
bool has_lost_its_root(pid_t pid) {
    try {
        sys::readlinkat(FdRef::working_directory(), fmt::format("/proc/{}/root", pid));
        return false;
    } catch (const SysError& error) {
        return error.error() == ENOENT;
    }
}

// A pidfd can be read from the end on, also while nobody has reaped it. pidfd_open(2)
bool has_ended(FdRef pidfd, pid_t pid) {
    if (has_lost_its_root(pid)) return true;
    std::array files{sys::Watched{pidfd}};
    return sys::poll(files, std::chrono::milliseconds{0});
}

// All that was opened by number is that process's if it still runs: its pidfd was opened first.
void check_still_running(const RunningContainer& container) {
    if (has_ended(container.pidfd, container.pid)) tell_end(container.pid);
}

// Of a container that ends meanwhile the kernel says ENOENT, ENOMEM (clone3, into a pid namespace
// without its pid 1), or nothing, and kills: it is the end that is to be told.
template <typename Body>
auto or_tell_end(FdRef pidfd, pid_t pid, const Body& body) {
    try {
        return body();
    } catch (const SysError& error) {
        if (error.error() == ESRCH || has_ended(pidfd, pid)) tell_end(pid);
        throw;
    }
}

void enter_root_of(const RunningContainer& container) {
    const trace::Step step{7, "enter its root", "a process may have less than its namespace shows"};
    sys::chroot_to(container.root, "the container's root");
}

Spawner spawner_into(const RunningContainer& container) {
    return [&](const CloneArgs& args, const ChildMain& child_main) {
        check_still_running(container);
        if (!container.cgroup.valid()) return spawn(args, child_main);
        // Whoever enters a user namespace has no right to its groups any more: the parent has.
        if (joins_user_namespace(args)) {
            return spawn_and_attach(container.cgroup, args, child_main);
        }
        return spawn_entering_in_cgroup(container.cgroup, args, child_main);
    };
}

}  // namespace

std::string cgroup_path_of(std::string_view text, pid_t pid) {
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        if (!line.starts_with("0::/")) continue;
        if (line.starts_with("0::/..")) break;
        return std::string{line.substr(4)};
    }
    throw std::runtime_error(fmt::format(
        "process {}: its cgroup cannot be seen from here, so no process can be put into it", pid));
}

std::vector<std::string> parse_environment(std::string_view environ) {
    std::vector<std::string> variables;
    for (std::size_t begin = 0; begin < environ.size();) {
        const std::size_t end = std::min(environ.find('\0', begin), environ.size());
        const std::string_view variable = environ.substr(begin, end - begin);
        begin = end + 1;
        const std::size_t sign = variable.find('=');
        if (sign == std::string_view::npos || sign == 0) continue;
        variables.emplace_back(variable);
    }
    return variables;
}

RunningContainer open_container(pid_t pid) {
    const trace::Step step{7, "look at the container", "everything is opened before it is entered"};
    UniqueFd pidfd = sys::pidfd_open(pid);  // first of all: see check_still_running()
    RunningContainer container = or_tell_end(pidfd, pid, [&] {
        const UniqueFd process = open_process_directory(pid);
        return RunningContainer{
            pid, {}, open_root(process, pid), open_group(process, pid), environment_of(process)};
    });
    container.pidfd = std::move(pidfd);
    check_still_running(container);
    return container;
}

namespace {

NamespaceOptions joining(const RunningContainer& container, const NamespaceOptions& options) {
    NamespaceOptions with_pid = options;
    with_pid.join_pid = container.pid;
    return with_pid;
}

ChildMain with_root(const RunningContainer& container, const ChildMain& child_main) {
    return [&](SyncSocket& to_parent) {
        enter_root_of(container);
        return child_main(to_parent);
    };
}

}  // namespace

Child spawn_in_container(const RunningContainer& container, const NamespaceOptions& options,
                         const ChildMain& child_main) {
    return spawn_in_namespaces(joining(container, options), with_root(container, child_main),
                               spawner_into(container));
}

int run_in_container(const RunningContainer& container, const NamespaceOptions& options,
                     const ChildMain& child_main) {
    return or_tell_end(container.pidfd, container.pid, [&] {
        return run_in_namespaces(joining(container, options), with_root(container, child_main),
                                 spawner_into(container));
    });
}

}  // namespace tenon
