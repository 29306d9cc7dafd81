// Declarations, then what follows from them.
#include "tenon/rootfs_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "tenon/option_group.hpp"

namespace tenon {

namespace {

bool joins_mounts(const NamespaceOptions& options) {
    return options.join_pid &&
           (options.join_kinds.empty() || options.join_kinds.contains(Namespace::Mount));
}

// A process without mounts of its own has the host's: the command would run on the host's files.
void refuse_the_hosts_root(pid_t pid) {
    const std::vector<OpenNamespace> theirs = open_namespaces(pid);
    if (std::any_of(theirs.begin(), theirs.end(),
                    [](const OpenNamespace& ns) { return ns.kind == Namespace::Mount; })) {
        return;
    }
    throw std::invalid_argument(fmt::format(
        "--join: process {} has no mount namespace of its own: add --rootfs DIR, and join the "
        "other kinds by name, for example --join {}:net,ipc",
        pid, pid));
}

// Joining everything of another container but its files needs the kinds by name.
void refuse_two_roots(const NamespaceOptions& namespaces, const RootfsOptions& rootfs) {
    if (rootfs.rootfs.empty() && !joins_mounts(namespaces)) {
        throw std::invalid_argument(
            "no root file system: add --rootfs DIR (./course up makes one "
            "in build/rootfs)");
    }
    if (!rootfs.rootfs.empty() && joins_mounts(namespaces)) {
        throw std::invalid_argument(
            "--rootfs and --join of a mount namespace exclude each other: "
            "join by kind, for example --join PID:net,ipc");
    }
    if (joins_mounts(namespaces)) refuse_the_hosts_root(*namespaces.join_pid);
}

// Mounts are made for a root of our own; a container that runs already has its root.
void refuse_mounts_without_root(const RootfsOptions& rootfs) {
    if (!rootfs.rootfs.empty() || (rootfs.mounts.empty() && !rootfs.readonly)) return;
    throw std::invalid_argument(
        "--bind, --tmpfs and --read-only need --rootfs: a container that is "
        "joined keeps the mounts it has");
}

}  // namespace

void declare_rootfs_options(CLI::App& run, RootfsOptions& options) {
    OptionGroup root{run, "Root file system"};
    root.value("--rootfs", "DIR", "the folder that becomes /", options.rootfs);
    root.flag("--read-only", "make / read-only", options.readonly);
    // In the order in which they are given: a mount can lie below another.
    const auto mounted_by = [&options](MountStep (*parse)(std::string_view)) {
        return
            [&options, parse](const std::string& text) { options.mounts.push_back(parse(text)); };
    };
    root.values("--bind", "SPEC", "show a path of the host inside: SRC:DST[:ro,rro,nosuid,...]",
                mounted_by(parse_bind));
    root.values("--tmpfs", "SPEC", "an empty file system in memory: DST[:size=64m,...]",
                mounted_by(parse_tmpfs));
}

void complete_namespaces(NamespaceOptions& namespaces, const RootfsOptions& rootfs) {
    refuse_two_roots(namespaces, rootfs);
    refuse_mounts_without_root(rootfs);
    if (rootfs.rootfs.empty()) return;
    if (namespaces.create.empty()) {
        for (const Namespace kind : NamespaceSet::all()) {
            if (!namespaces.join_kinds.contains(kind)) namespaces.create.insert(kind);
        }
    }
    namespaces.create.insert(Namespace::Mount);
}

MountPlan plan_mounts(const NamespaceOptions& namespaces, const RootfsOptions& rootfs,
                      bool in_initial_user_namespace) {
    if (rootfs.rootfs.empty()) return {};  // the joined container has its mounts
    MountPlan plan = default_mount_plan({.created = namespaces.create,
                                         .joined = namespaces.join_kinds,
                                         .in_initial_user_namespace = in_initial_user_namespace},
                                        rootfs.mounts);
    plan.readonly_root = rootfs.readonly;
    return plan;
}

std::vector<std::string> container_environment() {
    const char* terminal = std::getenv("TERM");
    return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
            std::string{"TERM="} + (terminal != nullptr ? terminal : "dumb")};
}

}  // namespace tenon
