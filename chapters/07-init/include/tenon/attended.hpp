/// @file
/// Chapter 07, what a stage program adds around a container: options, an init, a terminal, and a
/// parent that attends.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tenon/attend.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/process.hpp"
#include "tenon/terminal.hpp"

namespace CLI {
class App;
}

namespace tenon {

/// What `chNN run` and `chNN exec` were asked for, as far as chapter 07 is concerned.
struct AttendOptions {
    StopPolicy stop;              ///< --stop-signal, --stop-timeout
    bool terminal = false;        ///< -t
    bool console = true;          ///< the terminal is /dev/console, too
    bool init = false;            ///< --init
    std::string init_program;     ///< --init-path; empty: tenon-init beside the running program
    bool signal_group = false;    ///< --init-group
    bool report_orphans = false;  ///< --report-orphans
};

/// Adds the options of `run`: all of them.
void declare_init_options(CLI::App& run, AttendOptions& options);
/// Adds `-t` and the options of stopping.
void declare_attend_options(CLI::App& verb, AttendOptions& options);

/// A signal's number for what people type: 15, TERM, SIGTERM, RTMIN+3. Nothing for anything else.
/// @see \man{kill,1}
std::optional<int> parse_signal(std::string_view text);

/// A terminal's size by its config: `consoleSize`. @see config.md, "Process"
std::optional<TerminalSize> size_by_config(const oci::Process& process);
/// The same for a terminal that is relayed to ours: as ours, where we have one. The relay keeps it
/// so later; but the payload may ask before the relay is there.
std::optional<TerminalSize> size_when_relayed(const oci::Process& process);

/// One container, from before it is made until it has ended. Signals wait from its making on.
class Attended {
  public:
    /// @param own_program  where the running program lies: tenon-init is looked for beside it
    /// @throws SysError  open init: ENOENT; std::invalid_argument  an option that makes no sense
    ///         without another
    Attended(const AttendOptions& options, const oci::Process& process,
             const std::string& own_program);

    /// @throws std::invalid_argument  an init without a pid namespace of its own
    void check(const NamespaceSet& created) const;

    /// For NamespaceOptions.
    Attendant attendant();

    /// Child side, in the container's root and still its root user: a session of its own, and a
    /// terminal if there shall be one. @throws SysError, std::runtime_error  see TerminalChannel
    void enter_session();

    /// Child side, last of all: becomes @p command, or the init in front of it.
    /// @param last_step  of a later chapter, right before execve(2); see exec()
    /// @throws SysError  execve, execve init: ENOENT, EACCES ...
    [[noreturn]] void become(
        const Command& command, const std::function<void()>& last_step = [] {}) const;

  private:
    [[nodiscard]] ExitStatus stay_with(Child& child);

    AttendOptions options_;
    TerminalRequest request_;
    Attention attention_;
    TerminalChannel channel_;
    std::string init_path_;
    UniqueFd init_;
};

}  // namespace tenon
