// Kinds, their names, and the files in /proc/PID/ns that stand for them.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/namespaces.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

struct NamedKind {
    std::string_view name;
    Namespace kind;
};

constexpr std::array proc_names{
    NamedKind{"mnt", Namespace::Mount},     NamedKind{"uts", Namespace::Uts},
    NamedKind{"ipc", Namespace::Ipc},       NamedKind{"net", Namespace::Net},
    NamedKind{"pid", Namespace::Pid},       NamedKind{"user", Namespace::User},
    NamedKind{"cgroup", Namespace::Cgroup}, NamedKind{"time", Namespace::Time},
};

// config.json's spelling, where it differs. runtime-spec, config-linux.md, "Namespaces"
constexpr std::array spec_names{
    NamedKind{"mount", Namespace::Mount},
    NamedKind{"network", Namespace::Net},
};

// Two files name the same namespace when device and inode agree. namespaces(7)
bool is_ours(FdRef namespace_file, Namespace kind) {
    const struct stat theirs = sys::fstat(namespace_file);
    const struct stat ours = sys::stat(fmt::format("/proc/self/ns/{}", proc_name(kind)));
    return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

// The namespaces' files were opened by number: had the process ended meanwhile, they might be
// those of a stranger with the same pid. Its pidfd, opened first, tells.
void check_still_running(FdRef pidfd, pid_t pid) {
    try {
        sys::pidfd_send_signal(pidfd, 0);
    } catch (const SysError& e) {
        if (e.error() == EPERM) return;  // it runs; it is only not ours
        throw SysError(e.error(), "pidfd_open", fmt::format("process {}", pid));
    }
}

// O_PATH first: to open a FIFO would wait for its other end, to open a device may do anything. Only
// what is a namespace is opened for real, as ioctl(2) and setns(2) need it. ioctl_ns(2)
UniqueFd open_namespace_file(Namespace kind, const std::string& path) {
    const UniqueFd named = sys::openat(FdRef::working_directory(), path, O_PATH);
    if (sys::file_system_type(named) != NSFS_MAGIC) {
        throw SysError(EINVAL, "openat", path + " (no namespace)");
    }
    UniqueFd file = sys::reopen(named, O_RDONLY);
    if (sys::namespace_type(file) != static_cast<std::uint64_t>(kind)) {
        throw SysError(EINVAL, "openat",
                       fmt::format("{} (no {} namespace)", path, proc_name(kind)));
    }
    return file;
}

}  // namespace

NamespaceSet::NamespaceSet(std::initializer_list<Namespace> kinds) {
    for (const Namespace kind : kinds) insert(kind);
}

NamespaceSet NamespaceSet::all() {
    NamespaceSet set;
    for (const Namespace kind : all_namespaces) set.insert(kind);
    return set;
}

void NamespaceSet::insert(Namespace kind) {
    if (!contains(kind)) kinds_.push_back(kind);
}

bool NamespaceSet::contains(Namespace kind) const {
    return std::find(kinds_.begin(), kinds_.end(), kind) != kinds_.end();
}

std::string_view proc_name(Namespace kind) {
    const auto* found = std::find_if(proc_names.begin(), proc_names.end(),
                                     [&](const NamedKind& row) { return row.kind == kind; });
    return found->name;
}

std::optional<Namespace> namespace_from_name(std::string_view name) {
    for (const auto& row : proc_names) {
        if (row.name == name) return row.kind;
    }
    for (const auto& row : spec_names) {
        if (row.name == name) return row.kind;
    }
    return std::nullopt;
}

std::vector<OpenNamespace> open_namespaces(pid_t pid) {
    const trace::Step step{1, "open its namespaces", "a file of each kind stands for it"};
    const UniqueFd pidfd = sys::pidfd_open(pid);
    const FdRef here = FdRef::working_directory();
    std::vector<OpenNamespace> opened;
    for (const Namespace kind : all_namespaces) {
        const std::string_view name = proc_name(kind);
        UniqueFd theirs = sys::openat(here, fmt::format("/proc/{}/ns/{}", pid, name), O_RDONLY);
        if (!is_ours(theirs, kind)) opened.push_back({kind, std::move(theirs)});
    }
    check_still_running(pidfd, pid);
    return opened;
}

std::optional<OpenNamespace> open_namespace(Namespace kind, const std::string& path) {
    const trace::Step step{1, "open a namespace by its path", "and look that it is of that kind"};
    if (!path.starts_with('/')) {
        throw std::invalid_argument(
            fmt::format("{} namespace '{}': its path must be absolute", proc_name(kind), path));
    }
    try {
        UniqueFd theirs = open_namespace_file(kind, path);
        if (is_ours(theirs, kind)) return std::nullopt;
        return OpenNamespace{kind, std::move(theirs)};
    } catch (const SysError& error) {
        if (error.call() != "openat") throw;
        throw SysError(error.error(), "open namespace", error.subject());
    }
}

}  // namespace tenon
