// For what is one per process (standard streams, signal dispositions, the trace, exec): a forked
// child whose standard output and standard error are kept apart and read at its end.
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "tenon/error.hpp"
#include "tenon/fd.hpp"
#include "tenon/process.hpp"
#include "tenon/todo.hpp"

// A failing comparison says how the process ended.
template <>
struct Catch::StringMaker<tenon::ExitStatus> {
    static std::string convert(const tenon::ExitStatus& status) {
        return status.signal() != 0 ? "signal " + std::to_string(status.signal())
                                    : "exit code " + std::to_string(status.shell_code());
    }
};

namespace tenon::test {

struct Forked {
    ExitStatus status = ExitStatus::exited(0);
    std::string out;
    std::string err;
};

// To standard output, past all buffers.
inline void say(std::string_view text) {
    while (!text.empty()) {
        const long written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written <= 0) ::_exit(98);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

namespace detail {

// Memory, not pipes: nobody has to read while the child writes.
inline UniqueFd memory_file() {
    const int number = ::memfd_create("tenon-test-output", MFD_CLOEXEC);
    return UniqueFd{static_cast<int>(check(number, "memfd_create"))};
}

inline std::string content_of(FdRef file) {
    std::string text;
    std::string chunk(65536, '\0');
    while (true) {
        const auto at = static_cast<off_t>(text.size());
        const long got = ::pread(file.number(), chunk.data(), chunk.size(), at);
        if (check(got, "pread") == 0) return text;
        text.append(chunk, 0, static_cast<std::size_t>(got));
    }
}

[[noreturn]] inline void run_body(const std::function<int()>& body) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // when the test's time limit ends its process
    // Catch's handlers would report the child's end as the test program's own.
    for (const int signal : {SIGABRT, SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);
    try {
        ::_exit(body());
    } catch (const std::exception& error) {
        say(std::string{"exception: "} + error.what());
        ::_exit(99);
    }
}

// An exercise that the child found unwritten is told as if there had been no fork.
inline void rethrow_unwritten(const std::string& said) {
    constexpr std::string_view before = "exception: exercise ";
    constexpr std::string_view after = " is not written yet";
    const auto begin = said.find(before);
    const auto end = said.find(after);
    if (begin == std::string::npos || end == std::string::npos) return;
    const auto id = begin + before.size();
    throw NotImplemented(said.substr(id, end - id));
}

}  // namespace detail

// Runs `body` to its end; what it returns is the exit code. An exception is 99.
// @throws NotImplemented  the child met an exercise that is not written
inline Forked run_forked(const std::function<int()>& body) {
    const UniqueFd out = detail::memory_file();
    const UniqueFd err = detail::memory_file();
    std::cout.flush();  // what is buffered is ours to print, not the child's
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(out.ref().number(), STDOUT_FILENO);
        ::dup2(err.ref().number(), STDERR_FILENO);
        detail::run_body(body);
    }
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) < 0 && errno == EINTR) {
    }
    const std::string said = detail::content_of(out);
    detail::rethrow_unwritten(said);
    // By hand: the test must not learn it from the code it tests.
    return {info.si_code == CLD_EXITED ? ExitStatus::exited(info.si_status)
                                       : ExitStatus::signaled(info.si_status),
            said, detail::content_of(err)};
}

}  // namespace tenon::test
