// Declarations, one line per option; what they mean is decided in run_in_namespaces().
#include "tenon/namespace_options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "tenon/option_group.hpp"

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
            throw std::invalid_argument(
                fmt::format("no namespace is called '{}': use mnt, uts, ipc, net, pid, user, "
                            "cgroup, time",
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
        throw std::invalid_argument(fmt::format("'{}' is not a pid", number));
    }
    options.join_pid = pid;
    if (number.size() == text.size()) return;
    options.join_kinds = parse_kinds(std::string_view{text}.substr(number.size() + 1));
    if (options.join_kinds.empty()) {
        throw std::invalid_argument("nothing follows the colon: name the kinds");
    }
}

void parse_explain(const std::string& form, NamespaceOptions& options) {
    if (form != "text" && form != "json") {
        throw std::invalid_argument(fmt::format("'{}' is neither text nor json", form));
    }
    const trace::Format format = form == "json" ? trace::Format::Json : trace::Format::Text;
    const bool colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    options.explain = trace::Options{format, colour};
}

}  // namespace

void declare_namespace_options(CLI::App& run, NamespaceOptions& options) {
    OptionGroup kinds{run, "Namespaces"};
    for (const NamespaceFlag& row : namespace_flags) {
        const Namespace kind = row.kind;
        kinds.flag(row.flag, row.help, [&options, kind] { options.create.insert(kind); });
    }
    kinds.value("--join", "PID[:KINDS]",
                "enter a process's namespaces, or only some: PID[:net,uts]",
                [&options](const std::string& text) { parse_join(text, options); });
    OptionGroup names{run};
    names.value("--hostname", "NAME", "host name, at most 64 bytes", options.hostname);
    names.value("--domainname", "NAME", "NIS domain name", options.domainname);
    declare_launch_options(run, options);
}

void declare_launch_options(CLI::App& run, NamespaceOptions& options) {
    OptionGroup launch{run};
    launch.value("--pid-file", "FILE", "write the command's pid (as seen here) there",
                 options.pid_file);
    launch.value_or("text", "--explain", "[=json]", "tell the launch on stderr, call by call",
                    [&options](const std::string& form) { parse_explain(form, options); });
}

void apply_explain(const NamespaceOptions& options) {
    if (options.explain) trace::enable(FdRef{STDERR_FILENO}, *options.explain);
}

}  // namespace tenon
