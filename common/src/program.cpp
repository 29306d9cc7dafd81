// The only place that turns an exception into words on a terminal.
#include "tenon/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/hints.hpp"
#include "tenon/log.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

int exit_code_for(const SysError& error) {
    if (error.call() != "execve") return exit_own_failure;
    return error.error() == ENOENT || error.error() == ENOTDIR ? exit_not_found
                                                               : exit_not_executable;
}

void report(std::string_view program, std::string_view message) {
    Log{FdRef{STDERR_FILENO}}.error(fmt::format("{}: {}", program, message));
}

// A closed descriptor 0, 1 or 2 would be given to the next file we open, and everything written to
// "standard error" would go there. Close-on-exec: the command finds it closed, as our caller meant.
void fill_standard_descriptors() {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
        // open(2) takes the lowest free number: this one.
        if (::fcntl(number, F_GETFD) < 0) ::open("/dev/null", O_RDWR | O_CLOEXEC);
    }
}

// Everything is cleaned up: now the signal may have what it asked for, and our parent sees it.
int end_by(int signal) {
    trace::flush();
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return 128 + signal;  // blocked by our caller: told as a shell would
}

int run_and_report(std::string_view program, const std::function<int()>& body) {
    try {
        return body();
    } catch (const EndedBySignal& end) {
        return end_by(end.signal());
    } catch (const SysError& error) {
        report(program, with_advice(error));
        return exit_code_for(error);
    } catch (const std::exception& error) {
        report(program, error.what());
        return exit_own_failure;
    } catch (...) {
        report(program, "an exception that is not a std::exception");
        return exit_own_failure;
    }
}

}  // namespace

void prepare_process() noexcept {
    // Inherited as ignored, our children would vanish unwaited for. waitid(2), ECHILD
    std::signal(SIGCHLD, SIG_DFL);
    fill_standard_descriptors();
    // Nobody may be listening to our errors or our trace: a failed write is enough news of that.
    // exec() gives the container the default back.
    std::signal(SIGPIPE, SIG_IGN);
}

int run_program(std::string_view program, const std::function<int()>& body) noexcept {
    prepare_process();
    const int code = run_and_report(program, body);
    trace::flush();
    return code;
}

}  // namespace tenon
