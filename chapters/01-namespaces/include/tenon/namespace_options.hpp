/// @file
/// The command-line options of chapter 01, declared once for every later stage program.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tenon/namespaces.hpp"
#include "tenon/trace.hpp"

namespace CLI {
class App;
}

namespace tenon {

/// Stays with a child that runs its program, until it has ended.
using Attendant = std::function<ExitStatus(Child& child)>;

/// An existing namespace by the path of its file: /proc/PID/ns/net, or where that is bound.
struct NamespacePath {
    Namespace kind = Namespace::Mount;
    std::string path;  ///< absolute
};

/// How far a clock of a new time namespace is ahead of the one outside.
/// @see \man{time_namespaces,7}
struct ClockOffset {
    std::string clock;  ///< `monotonic` or `boottime`
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
};

/// A hard limit of \man{getrlimit,2}.
struct HardLimit {
    int resource = 0;  ///< RLIMIT_NOFILE ...
    std::uint64_t value = 0;
};

/// What `chNN run` was asked for, as far as chapter 01 is concerned.
struct NamespaceOptions {
    NamespaceSet create;                     ///< --uts --pid ...
    std::optional<pid_t> join_pid;           ///< --join PID[:kinds]
    NamespaceSet join_kinds;                 ///< empty: every kind in which PID differs from us
    std::vector<NamespacePath> join_paths;   ///< chapter 06; one we are in already is inherited
    std::vector<ClockOffset> clock_offsets;  ///< chapter 06; needs a new time namespace
    /// Chapter 06: the child of a new user namespace cannot raise them, so we do, where we may.
    std::vector<HardLimit> hard_limits;
    std::string hostname;    ///< empty: unchanged
    std::string domainname;  ///< empty: unchanged
    std::string pid_file;    ///< empty: none
    std::optional<trace::Options> explain;
    std::vector<std::string> command;
    bool command_optional = false;  ///< somebody else may know one: a later chapter's image
    /// Parent side, for a new user namespace, while the child waits: which ids there are in it.
    std::function<void(pid_t child)> write_maps = write_root_mapping;
    Attendant attendant;  ///< a later chapter's; none: an ending signal kills the child
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it. Everything from
/// the first word that is no option belongs to the command.
void declare_namespace_options(CLI::App& run, NamespaceOptions& options);

/// The part of them that is not about namespaces: --pid-file, --explain, and the command.
void declare_launch_options(CLI::App& run, NamespaceOptions& options);

/// The kinds that @p options join, by process (as far as named) or by path.
NamespaceSet joined_kinds(const NamespaceOptions& options);

/// Starts the trace when --explain was given.
void apply_explain(const NamespaceOptions& options);

/// Child side: host and domain name, as far as given.
void apply_names(const NamespaceOptions& options);

/// Makes a child: spawn(), or what a later chapter puts around it.
using Spawner = std::function<Child(const CloneArgs& args, const ChildMain& child_main)>;

/// Writes @p pid into the file @p path, digits only, which appears whole.
/// @throws SysError  pid file: EEXIST (something else than a plain file is there) ...
void write_pid_file(const std::string& path, pid_t pid);

/// Spawns @p child_main as the options say, with the ids of a new user namespace mapped and the pid
/// file written, and does not wait for it.
/// @throws as run_in_namespaces()
Child spawn_in_namespaces(const NamespaceOptions& options, const ChildMain& child_main,
                          const Spawner& spawner = spawn);

/// Spawns @p child_main as the options say, has the ids of a new user namespace mapped, writes the
/// pid file, waits, and returns the exit code as shells count. SIGINT, SIGTERM, SIGHUP and SIGQUIT
/// kill the child and come out as EndedBySignal, so that the caller can clean up; once the child
/// runs its program, they are the attendant's, if there is one.
/// @throws std::invalid_argument  a name without a new or joined UTS namespace, clock offsets
///         without a new time namespace; SysError
int run_in_namespaces(const NamespaceOptions& options, const ChildMain& child_main,
                      const Spawner& spawner = spawn);

}  // namespace tenon
