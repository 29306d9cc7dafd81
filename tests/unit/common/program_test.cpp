#include "tenon/program.hpp"

#include <fcntl.h>

#include <stdexcept>

#include "catch.hpp"
#include "forked.hpp"
#include "refusal.hpp"
#include "tenon/ending.hpp"
#include "tenon/hints.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/todo.hpp"
#include "tenon/trace.hpp"

namespace tenon::test {

namespace {

Forked run(const std::function<int()>& body) {
    return run_forked([&] { return run_program("prog", body); });
}

// A program that ends with `error`.
template <typename Error>
Forked run_throwing(const Error& error) {
    return run([&]() -> int { throw error; });
}

}  // namespace

TEST_CASE("run_program returns what its body returns, and says nothing") {
    for (const int code : {0, 1, 42, 125}) {
        const Forked process = run([code] { return code; });
        CHECK(process.status == ExitStatus::exited(code));
        CHECK(process.out.empty());
        CHECK(process.err.empty());
    }
}

TEST_CASE("run_program's exit code says whether the command was found and runnable") {
    const std::pair<SysError, int> table[] = {
        {{ENOENT, "execve", "x"}, 127},  {{ENOTDIR, "execve", "x"}, 127},
        {{EACCES, "execve", "x"}, 126},  {{ENOEXEC, "execve", "x"}, 126},
        {{EPERM, "execve", "x"}, 126},   {{E2BIG, "execve", "x"}, 126},
        {{ENOENT, "openat", "x"}, 125},  {{EACCES, "openat", "x"}, 125},
        {{ENOENT, "posix_spawnp"}, 125}, {{EPERM, "clone3"}, 125},
    };
    for (const auto& [error, code] : table) {
        CAPTURE(error.what());
        CHECK(run_throwing(error).status == ExitStatus::exited(code));
    }
}

TEST_CASE("run_program says an error in one line: program, what, why, advice") {
    const SysError error(ENOENT, "execve", "prg");
    const Forked process = run_throwing(error);
    CHECK(process.err == "error: prog: execve prg: ENOENT (No such file or directory): " +
                             std::string{hint_for(error)} + "\n");
    CHECK(process.out.empty());
}

TEST_CASE("run_program ends the line with the reason when there is no advice") {
    CHECK(run_throwing(SysError(EEXIST, "mkdirat", "x")).err ==
          "error: prog: mkdirat x: EEXIST (File exists)\n");
}

TEST_CASE("run_program reports any exception and ends with 125") {
    const Forked process = run_throwing(std::runtime_error("what happened"));
    CHECK(process.err == "error: prog: what happened\n");
    CHECK(process.status == ExitStatus::exited(exit_own_failure));
    const Forked odd = run_throwing(42);
    CHECK(odd.err == "error: prog: an exception that is not a std::exception\n");
    CHECK(odd.status == ExitStatus::exited(exit_own_failure));
}

TEST_CASE("run_program names the exercise that is not written") {
    const Forked process = run([]() -> int { TENON_TODO("03.2"); });
    CHECK(process.status == ExitStatus::exited(exit_own_failure));
    CHECK(process.err == "error: prog: " + std::string{NotImplemented("03.2").what()} + "\n");
}

TEST_CASE("run_program's line cannot be forged by a file's name") {
    CHECK(run_throwing(SysError(EEXIST, "mkdirat", "a\nerror: b\x1b[2J")).err ==
          "error: prog: mkdirat a\\nerror: b\\x1b[2J: EEXIST (File exists)\n");
}

TEST_CASE("run_program ends by the signal that asked it to end, and says nothing") {
    const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP);
    CAPTURE(signal);
    const Forked process = run_throwing(EndedBySignal(signal));
    CHECK(process.status == ExitStatus::signaled(signal));
    CHECK(process.out.empty());
    CHECK(process.err.empty());
}

TEST_CASE("run_program cleans up before it ends by a signal, and prints the rest of the trace") {
    const Forked process = run([]() -> int {
        trace::enable(FdRef{STDOUT_FILENO}, {});
        sys::set_parent_death_signal(SIGKILL);
        struct CleanUp {
            ~CleanUp() { say("cleaned up\n"); }
        } const clean_up{};
        throw EndedBySignal(SIGTERM);
    });
    CHECK(process.status == ExitStatus::signaled(SIGTERM));
    CHECK(process.out.starts_with("cleaned up\n"));
    CHECK(process.out.find("PR_SET_PDEATHSIG") != std::string::npos);
}

TEST_CASE("run_program tells a signal that is blocked as a shell would") {
    const Forked process = run([]() -> int {
        sigset_t set{};
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        ::sigprocmask(SIG_BLOCK, &set, nullptr);
        throw EndedBySignal(SIGINT);
    });
    CHECK(process.status == ExitStatus::exited(128 + SIGINT));
}

TEST_CASE("run_program prints the rest of the trace, after success and after an error") {
    for (const bool fails : {false, true}) {
        const Forked process = run([fails] {
            trace::enable(FdRef{STDOUT_FILENO}, {});
            sys::set_parent_death_signal(SIGKILL);
            if (fails) throw std::runtime_error("failed");
            return 0;
        });
        CHECK(process.out.find("prctl(PR_SET_PDEATHSIG, SIGKILL) = 0\n") != std::string::npos);
        CHECK(process.status == ExitStatus::exited(fails ? 125 : 0));
    }
}

}  // namespace tenon::test
