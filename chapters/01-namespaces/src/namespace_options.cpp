// Declarations, one line per option; what they mean is decided in run_in_namespaces().
#include "tenon/namespace_options.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "time_namespace.hpp"

namespace tenon {

namespace {

struct NamespaceFlag {
    const char* flag;
    Namespace kind;
    const char* help;
};

constexpr std::array namespace_flags{
    NamespaceFlag{"--mount", Namespace::Mount, "new mount namespace: mounts of its own"},
    NamespaceFlag{"--uts", Namespace::Uts, "new UTS namespace: host and domain name"},
    NamespaceFlag{"--ipc", Namespace::Ipc, "new IPC namespace: System V IPC, POSIX queues"},
    NamespaceFlag{"--net", Namespace::Net, "new network namespace: only a loopback that is down"},
    NamespaceFlag{"--pid", Namespace::Pid, "new pid namespace: the command is pid 1"},
    NamespaceFlag{"--user", Namespace::User, "new user namespace: root that is not root"},
    NamespaceFlag{"--cgroup", Namespace::Cgroup, "new cgroup namespace: its group is /"},
    NamespaceFlag{"--time", Namespace::Time, "new time namespace: clocks of its own"},
};

NamespaceSet parse_kinds(std::string_view list) {
    NamespaceSet kinds;
    for (bool more = !list.empty(); more;) {
        const std::string_view name = list.substr(0, list.find(','));
        more = name.size() < list.size();  // a comma promises another one
        list.remove_prefix(std::min(name.size() + 1, list.size()));
        const std::optional<Namespace> kind = namespace_from_name(name);
        if (!kind) {
            throw CLI::ValidationError(
                "--join", fmt::format("no namespace is called '{}': use mnt, uts, ipc, net, pid, "
                                      "user, cgroup, time",
                                      name));
        }
        kinds.insert(*kind);
    }
    return kinds;
}

// PID, or PID:kind,kind.
void parse_join(const std::string& text, NamespaceOptions& options) {
    const std::string_view number{text.data(), std::min(text.find(':'), text.size())};
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), pid);
    if (error != std::errc{} || end != number.data() + number.size() || pid <= 0) {
        throw CLI::ValidationError("--join", fmt::format("'{}' is not a pid", number));
    }
    options.join_pid = pid;
    if (number.size() == text.size()) return;
    options.join_kinds = parse_kinds(std::string_view{text}.substr(number.size() + 1));
    if (options.join_kinds.empty()) {
        throw CLI::ValidationError("--join", "nothing follows the colon: name the kinds");
    }
}

void parse_explain(const std::string& form, NamespaceOptions& options) {
    const trace::Format format = form == "json" ? trace::Format::Json : trace::Format::Text;
    const bool colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    options.explain = trace::Options{format, colour};
}

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

void declare_namespace_options(CLI::App& run, NamespaceOptions& options) {
    for (const NamespaceFlag& row : namespace_flags) {
        const Namespace kind = row.kind;
        run.add_flag_callback(
               row.flag, [&options, kind] { options.create.insert(kind); }, row.help)
            ->group("Namespaces");
    }
    run.add_option_function<std::string>(
           "--join", [&](const std::string& text) { parse_join(text, options); },
           "enter a process's namespaces, or only some: PID[:net,uts]")
        ->type_name("PID[:KINDS]")
        ->group("Namespaces");
    run.add_option("--hostname", options.hostname, "host name, at most 64 bytes")
        ->type_name("NAME");
    run.add_option("--domainname", options.domainname, "NIS domain name")->type_name("NAME");
    declare_launch_options(run, options);
}

void declare_launch_options(CLI::App& run, NamespaceOptions& options) {
    run.add_option("--pid-file", options.pid_file, "write the command's pid (as seen here) there")
        ->type_name("FILE");
    run.add_option_function<std::string>(
           "--explain", [&](const std::string& form) { parse_explain(form, options); },
           "tell the launch on stderr, call by call")
        ->expected(0, 1)
        ->default_str("text")
        ->check(CLI::IsMember({"text", "json"}))
        ->type_name("[=json]");
    run.prefix_command();
}

NamespaceSet joined_kinds(const NamespaceOptions& options) {
    NamespaceSet kinds = options.join_kinds;
    for (const NamespacePath& joined : options.join_paths) kinds.insert(joined.kind);
    return kinds;
}

void apply_explain(const NamespaceOptions& options) {
    if (options.explain) trace::enable(FdRef{STDERR_FILENO}, *options.explain);
}

void apply_names(const NamespaceOptions& options) {
    if (!options.hostname.empty()) set_hostname(options.hostname);
    if (!options.domainname.empty()) set_domainname(options.domainname);
}

int run_in_namespaces(const NamespaceOptions& options, const ChildMain& child_main,
                      const Spawner& spawner) {
    const EndingSignals signals;
    const std::vector<OpenNamespace> joined = namespaces_to_join(options);
    CloneArgs args;
    args.create = options.create;
    for (const OpenNamespace& ns : joined) args.join.push_back({ns.kind, ns.fd});
    refuse_joining_and_creating(options, args.join);
    refuse_renaming_the_host(options, args.join);
    if (options.create.contains(Namespace::User) || !options.pid_file.empty()) {
        args.prepare = [&](const Child& child) { prepare_child(options, child); };
    }
    Child child = spawner(args, with_clocks_first(options, args, child_main));
    wait_for_exec(child, signals, options.pid_file);
    if (options.attendant) return options.attendant(child).shell_code();
    signals.wait_for(child.pidfd());
    return child.wait().shell_code();
}

}  // namespace tenon
