/// @file
/// The command-line options of chapter 01, declared once for every later stage program.
#pragma once

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

/// What `chNN run` was asked for, as far as chapter 01 is concerned.
struct NamespaceOptions {
    NamespaceSet create;            ///< --uts --pid ...
    std::optional<pid_t> join_pid;  ///< --join PID[:kinds]
    NamespaceSet join_kinds;        ///< empty: every kind in which PID differs from us
    std::string hostname;           ///< empty: unchanged
    std::string domainname;         ///< empty: unchanged
    std::string pid_file;           ///< empty: none
    std::optional<trace::Options> explain;
    std::vector<std::string> command;
    bool command_optional = false;  ///< somebody else may know one: a later chapter's image
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it. Everything from
/// the first word that is no option belongs to the command.
void declare_namespace_options(CLI::App& run, NamespaceOptions& options);

/// Starts the trace when --explain was given.
void apply_explain(const NamespaceOptions& options);

/// Child side: host and domain name, as far as given.
void apply_names(const NamespaceOptions& options);

/// Makes a child: spawn(), or what a later chapter puts around it.
using Spawner = std::function<Child(const CloneArgs& args, const ChildMain& child_main)>;

/// Spawns @p child_main as the options say, with root mapped in a new user namespace, writes the
/// pid file, waits, and returns the exit code as shells count. SIGINT, SIGTERM, SIGHUP and SIGQUIT
/// kill the child and come out as EndedBySignal, so that the caller can clean up.
/// @throws std::invalid_argument  a name without a new or joined UTS namespace; SysError
int run_in_namespaces(const NamespaceOptions& options, const ChildMain& child_main,
                      const Spawner& spawner = spawn);

}  // namespace tenon
