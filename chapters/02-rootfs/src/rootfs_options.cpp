// Declarations, then what follows from them.
#include "tenon/rootfs_options.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// A mistake in the text is a mistake on the command line: CLI11 reports it as one.
MountStep parsed(MountStep (*parse)(std::string_view), const std::string& text) {
    try {
        return parse(text);
    } catch (const std::invalid_argument& error) {
        throw CLI::ValidationError(error.what());
    }
}

void add_mount_option(CLI::App& run, RootfsOptions& options, const char* flag,
                      MountStep (*parse)(std::string_view), const char* help) {
    run.add_option_function<std::vector<std::string>>(
           flag,
           [&options, parse](const std::vector<std::string>& texts) {
               for (const auto& text : texts) options.mounts.push_back(parsed(parse, text));
           },
           help)
        ->type_size(1)
        ->trigger_on_parse()  // at the end, CLI11 would call us option by option: all binds first
        ->allow_extra_args(false)
        ->type_name("SPEC")
        ->group("Root file system");
}

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
    run.add_option("--rootfs", options.rootfs, "the folder that becomes /")
        ->type_name("DIR")
        ->group("Root file system");
    run.add_flag("--read-only", options.readonly, "make / read-only")->group("Root file system");
    add_mount_option(run, options, "--bind", parse_bind,
                     "show a path of the host inside: SRC:DST[:ro,rro,nosuid,...]");
    add_mount_option(run, options, "--tmpfs", parse_tmpfs,
                     "an empty file system in memory: DST[:size=64m,...]");
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

bool in_initial_user_namespace() {
    // Namespaces' files have their numbers as inodes, and the first user namespace a fixed one:
    // PROC_USER_INIT_INO in include/linux/proc_ns.h.
    constexpr ino_t first_user_namespace = 4026531837U;
    const UniqueFd ours = sys::openat(FdRef::working_directory(), "/proc/self/ns/user", O_PATH);
    return sys::fstat(ours).st_ino == first_user_namespace;
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
