// What the options of a launch mean. Apart from their declarations: whoever has options of another
// kind, as an OCI runtime does, pays for no parser of these.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <stdexcept>

#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "time_namespace.hpp"

namespace tenon {

namespace {

std::vector<OpenNamespace> namespaces_of_process(const NamespaceOptions& options) {
    if (!options.join_pid) return {};
    std::vector<OpenNamespace> all = open_namespaces(*options.join_pid);
    if (options.join_kinds.empty()) return all;
    std::erase_if(all,
                  [&](const OpenNamespace& ns) { return !options.join_kinds.contains(ns.kind); });
    return all;
}

// Those that were asked for and differ from ours: to join what one is in already changes nothing.
std::vector<OpenNamespace> namespaces_to_join(const NamespaceOptions& options) {
    std::vector<OpenNamespace> all = namespaces_of_process(options);
    for (const auto& [kind, path] : options.join_paths) {
        std::optional<OpenNamespace> opened = open_namespace(kind, path);
        if (opened) all.push_back(std::move(*opened));
    }
    return all;
}

// A child is in one namespace of each kind.
void refuse_joining_and_creating(const NamespaceOptions& options,
                                 std::span<const JoinNamespace> join) {
    NamespaceSet joined = joined_kinds(options);
    for (const JoinNamespace& target : join) joined.insert(target.kind);
    for (const Namespace kind : joined) {
        if (!options.create.contains(kind)) continue;
        throw std::invalid_argument(fmt::format(
            "a new {0} namespace and one to join exclude each other: leave out one, or name the "
            "kinds to join: --join PID:kind,kind",
            proc_name(kind)));
    }
}

bool has_own_uts(const NamespaceOptions& options, std::span<const JoinNamespace> join) {
    return options.create.contains(Namespace::Uts) ||
           std::any_of(join.begin(), join.end(),
                       [](const JoinNamespace& target) { return target.kind == Namespace::Uts; });
}

// Root may rename the host; a container that was meant to have its own name must never do so.
void refuse_renaming_the_host(const NamespaceOptions& options,
                              std::span<const JoinNamespace> join) {
    if (options.hostname.empty() && options.domainname.empty()) return;
    if (has_own_uts(options, join)) return;
    throw std::invalid_argument(
        "--hostname and --domainname would rename this machine: add --uts, or join a process "
        "that has its own");
}

// rename(2) replaces whatever is there, /dev/null too: only a plain file or a link may be.
void refuse_to_replace(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
        throw SysError(EEXIST, "pid file", path);
    }
}

// Root of a user namespace has no CAP_SYS_RESOURCE that counts, whoever made it. What we may not do
// either, is for the child to be refused, with the name of the limit.
void raise_hard_limits(const NamespaceOptions& options, pid_t child) {
    for (const auto& [resource, value] : options.hard_limits) {
        try {
            if (sys::limit_of(child, resource).hard >= value) continue;
            sys::raise_hard_limit(child, resource, value);
        } catch (const SysError& error) {
            if (error.error() != EPERM) throw;
        }
    }
}

// What the parent does while the child waits. The pid file is written before the command can run:
// when it cannot be written, nothing has run.
void prepare_child(const NamespaceOptions& options, const Child& child) {
    if (options.create.contains(Namespace::User)) options.write_maps(child.pid());
    if (!options.pid_file.empty()) write_pid_file(options.pid_file, child.pid());
    raise_hard_limits(options, child.pid());
}

// A command that never ran leaves no file with the pid of a dead process.
void wait_for_exec(Child& child, const EndingSignals& signals, const std::string& pid_file) {
    try {
        signals.wait_for(child.socket().fd());
        child.wait_for_exec();
    } catch (...) {
        if (!pid_file.empty()) ::unlink(pid_file.c_str());
        throw;
    }
}

}  // namespace

// Callers read it as soon as it is there, digits only: so it appears whole, by rename(2).
void write_pid_file(const std::string& path, pid_t pid) {
    const trace::Step step{1, "write the pid file", "whoever started us finds the container by it"};
    refuse_to_replace(path);
    const std::string temporary = fmt::format("{}.{}", path, ::getpid());
    const FdRef here = FdRef::working_directory();
    try {
        const UniqueFd file = sys::openat(here, temporary, O_WRONLY | O_CREAT | O_EXCL, 0644);
        sys::write_once(file, std::to_string(pid), temporary);
        check(std::rename(temporary.c_str(), path.c_str()), "rename", path);
    } catch (const SysError& error) {
        ::unlink(temporary.c_str());
        throw SysError(error.error(), "pid file", path);  // the name that the user knows
    }
}

NamespaceSet joined_kinds(const NamespaceOptions& options) {
    NamespaceSet kinds = options.join_kinds;
    for (const NamespacePath& joined : options.join_paths) kinds.insert(joined.kind);
    return kinds;
}

void apply_names(const NamespaceOptions& options) {
    if (!options.hostname.empty()) set_hostname(options.hostname);
    if (!options.domainname.empty()) set_domainname(options.domainname);
}

Child spawn_in_namespaces(const NamespaceOptions& options, const ChildMain& child_main,
                          const Spawner& spawner) {
    const std::vector<OpenNamespace> joined = namespaces_to_join(options);
    CloneArgs args;
    args.create = options.create;
    for (const OpenNamespace& ns : joined) args.join.push_back({ns.kind, ns.fd});
    refuse_joining_and_creating(options, args.join);
    refuse_renaming_the_host(options, args.join);
    if (options.create.contains(Namespace::User) || !options.pid_file.empty()) {
        args.prepare = [&](const Child& child) { prepare_child(options, child); };
    }
    return spawner(args, with_clocks_first(options, args, child_main));
}

int run_in_namespaces(const NamespaceOptions& options, const ChildMain& child_main,
                      const Spawner& spawner) {
    const EndingSignals signals;
    Child child = spawn_in_namespaces(options, child_main, spawner);
    wait_for_exec(child, signals, options.pid_file);
    if (options.attendant) return options.attendant(child).shell_code();
    signals.wait_for(child.pidfd());
    return child.wait().shell_code();
}

}  // namespace tenon
