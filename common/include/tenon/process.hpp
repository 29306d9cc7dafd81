/// @file
/// How a process ends, how a helper program is run, how this one becomes another.
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon {

/// How a process ended.
class ExitStatus {
  public:
    static ExitStatus exited(int code) { return ExitStatus{code, 0}; }
    static ExitStatus signaled(int signal) { return ExitStatus{0, signal}; }
    /// @param info  as waitid fills it in. @see \man{waitid,2}
    static ExitStatus from(const siginfo_t& info);

    [[nodiscard]] bool success() const { return shell_code() == 0; }
    /// The signal that ended it, or 0.
    [[nodiscard]] int signal() const { return signal_; }
    /// As shells and Docker report it: the exit code, or 128 plus the signal's number.
    [[nodiscard]] int shell_code() const { return signal_ != 0 ? 128 + signal_ : code_; }

    bool operator==(const ExitStatus&) const = default;

  private:
    ExitStatus(int code, int signal) : code_(code), signal_(signal) {}
    int code_;
    int signal_;
};

/// What a helper program left.
struct ProcessResult {
    ExitStatus status;
    std::string out;
    std::string err;
};

/// Runs argv[0] (looked up in PATH) with empty standard input, waits, and collects both outputs.
/// Uses posix_spawn: no code of ours runs between fork and exec. The helper starts with default
/// signal dispositions and an empty mask. @param output_limit  bytes kept of each stream; the rest
/// is read and dropped, so the helper never blocks and we never grow without bound
/// @throws SysError  posix_spawnp: ENOENT, EACCES. @see \man{posix_spawn,3}
ProcessResult run_process(const std::vector<std::string>& argv,
                          std::size_t output_limit = std::size_t{1} << 20);

/// A program to become: argv[0] is looked up in the PATH of @p environment.
struct Command {
    std::vector<std::string> argv;         ///< at least one element
    std::vector<std::string> environment;  ///< KEY=value
    unsigned preserved = 0;                ///< how many descriptors from 3 on it inherits
};

/// Says what is wrong with the command before anything else is given up for it.
/// @throws SysError  execve: ENOENT, EACCES; what exec() would say of its name and mode
void require_command(const Command& command);

/// Becomes @p command, as a shell would find it: a name with '/' is a path, any other is searched
/// for in PATH. Descriptors that it does not inherit are marked close-on-exec, signal dispositions
/// and mask reset to the default. @throws SysError  execve: ENOENT (not found; or its loader or
/// interpreter is missing, which the subject then names), EACCES (found, but not executable),
/// ENOEXEC, ENOTDIR
[[noreturn]] void exec(const Command& command);
/// The same with @p last_step after all that, and before execve alone: no other system call
/// follows, as long as execve takes the first file found and nobody listens to the trace. For a
/// system call filter, which may forbid what exec() does itself. A command that is not there is
/// said before.
/// @throws what last_step throws
[[noreturn]] void exec(const Command& command, const std::function<void()>& last_step);

/// The signal mask with which a program starts. AsItIs: what is blocked stays so, and waits until
/// the program asks for it.
enum class StartMask { Empty, AsItIs };

/// Becomes the program behind @p program, with the words and the environment of @p command: no name
/// is looked up. The rest is as in exec(). @param subject  what it is called in error messages
/// @throws SysError  execve; what last_step throws
[[noreturn]] void exec_file(
    FdRef program, const std::string& subject, const Command& command,
    StartMask mask = StartMask::Empty, const std::function<void()>& last_step = [] {});

/// The environment of this process, as KEY=value.
std::vector<std::string> current_environment();

}  // namespace tenon
