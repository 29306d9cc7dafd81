#include "tenon/process.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "catch.hpp"
#include "descriptors.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"

namespace tenon::test {

namespace {

ProcessResult shell(const std::string& script, std::size_t limit = std::size_t{1} << 20) {
    return run_process({"sh", "-c", script}, limit);
}

siginfo_t ended(int code, int status) {
    siginfo_t info{};
    info.si_code = code;
    info.si_status = status;
    return info;
}

// A signal set of /proc/PID/status as the helper sees its own.
std::string helper_status(const std::string& field) {
    return run_process({"grep", "^" + field + ":", "/proc/self/status"}).out;
}

}  // namespace

TEST_CASE("ExitStatus is an exit code or a signal, and shells' number for it") {
    struct Row {
        ExitStatus status;
        bool success;
        int signal;
        int shell_code;
    };
    const Row rows[] = {
        {ExitStatus::exited(0), true, 0, 0},
        {ExitStatus::exited(7), false, 0, 7},
        {ExitStatus::exited(255), false, 0, 255},
        {ExitStatus::signaled(SIGHUP), false, 1, 129},
        {ExitStatus::signaled(SIGKILL), false, 9, 137},
        {ExitStatus::from(ended(CLD_EXITED, 3)), false, 0, 3},
        {ExitStatus::from(ended(CLD_KILLED, SIGTERM)), false, 15, 143},
        {ExitStatus::from(ended(CLD_DUMPED, SIGSEGV)), false, 11, 139},
    };
    for (const Row& row : rows) {
        CAPTURE(row.shell_code);
        CHECK(row.status.success() == row.success);
        CHECK(row.status.signal() == row.signal);
        CHECK(row.status.shell_code() == row.shell_code);
    }
    CHECK(ExitStatus::exited(137) != ExitStatus::signaled(SIGKILL));
}

TEST_CASE("run_process returns the exit code and both outputs apart") {
    const ProcessResult result = shell("echo out; echo err >&2; exit 42");
    CHECK(result.status == ExitStatus::exited(42));
    CHECK(result.out == "out\n");
    CHECK(result.err == "err\n");
    CHECK(shell("true").status.success());
}

TEST_CASE("run_process reports the signal that ended the helper") {
    CHECK(shell("kill -TERM $$").status == ExitStatus::signaled(SIGTERM));
    CHECK(shell("kill -KILL $$").status == ExitStatus::signaled(SIGKILL));
}

TEST_CASE("run_process passes arguments as they are") {
    const ProcessResult result = run_process({"printf", "%s|", "a b", "", "$HOME", "\xC3\xBC\n"});
    CHECK(result.out == "a b||$HOME|\xC3\xBC\n|");
}

TEST_CASE("run_process reads five megabytes from each stream at once") {
    const std::size_t size = 5'000'000;
    const ProcessResult result =
        shell("head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait", 2 * size);
    CHECK(result.out.size() == size);
    CHECK(result.err.size() == size);
    CHECK(result.status.success());
}

TEST_CASE("run_process keeps what is allowed and lets the helper finish") {
    const ProcessResult result =
        shell("printf abcdef; head -c 3000000 /dev/zero; printf uvw >&2; exit 5", 4);
    CHECK(result.out == "abcd");
    CHECK(result.err == "uvw");
    CHECK(result.status == ExitStatus::exited(5));
    CHECK(shell("echo x", 0).out.empty());
}

TEST_CASE("run_process says which program it could not start, and leaves nothing") {
    const TemporaryDirectory directory;
    const auto before = open_descriptors();
    const Forked missing = run_forked([] {
        ::setenv("PATH", "/bin:/nowhere", 1);  // ours may hold a folder closed to us: EACCES
        say(refusal([] { run_process({"tenon-no-such-program"}); }));
        return 0;
    });
    CHECK(missing.out == "posix_spawnp tenon-no-such-program: ENOENT");
    const std::string plain = (directory.path() / "plain").string();
    write_file(plain, "#!/bin/sh\n");
    CHECK(refusal([&] { run_process({plain}); }) == "posix_spawnp " + plain + ": EACCES");
    CHECK(open_descriptors() == before);
    shell("true");
    CHECK(open_descriptors() == before);
}

TEST_CASE("run_process gives the helper an empty standard input") {
    const Forked process = run_forked([] {
        const Ends ours = make_test_pipe();
        [[maybe_unused]] const long written = ::write(ours.second.ref().number(), "secret", 6);
        ::dup2(ours.first.ref().number(), STDIN_FILENO);
        say(run_process({"cat"}).out + "." + run_process({"readlink", "/proc/self/fd/0"}).out);
        return 0;
    });
    CHECK(process.out == "./dev/null\n");
}

TEST_CASE("run_process starts the helper with default signals and none blocked") {
    const Forked process = run_forked([] {
        sigset_t all{};
        sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        for (const int signal : {SIGINT, SIGPIPE, SIGTERM, SIGCHLD}) std::signal(signal, SIG_IGN);
        std::signal(SIGCHLD, SIG_DFL);
        say(status_field(::getpid(), "SigIgn") + "\n");
        say(helper_status("SigIgn") + helper_status("SigBlk"));
        return 0;
    });
    const auto first = process.out.find('\n');
    CHECK(process.out.substr(0, first).find_first_not_of('0') != std::string::npos);
    // 32 and 33 are glibc's own, outside every sigset_t: its posix_spawn leaves them ignored.
    CHECK((std::stoull(process.out.substr(first + 9), nullptr, 16) & ~0x180000000ULL) == 0);
    CHECK(process.out.ends_with("\nSigBlk:\t0000000000000000\n"));
}

TEST_CASE("run_process passes on no descriptor of ours") {
    const Forked process = run_forked([] {
        ::close_range(3, ~0U, 0);  // what the test itself was started with
        const Ends pipe = make_test_pipe();
        const UniqueFd high{::fcntl(pipe.first.ref().number(), F_DUPFD_CLOEXEC, 50)};
        say(run_process({"ls", "/proc/self/fd"}).out);
        return 0;
    });
    CHECK(process.out == "0\n1\n2\n3\n");  // 3: the folder that ls reads
}

TEST_CASE("run_process gives the helper our environment") {
    const Forked process = run_forked([] {
        ::setenv("TENON_TEST", "a value", 1);
        say(run_process({"sh", "-c", "echo \"$TENON_TEST\""}).out);
        return 0;
    });
    CHECK(process.out == "a value\n");
}

TEST_CASE("current_environment lists KEY=value, and is empty when everything was cleared") {
    const Forked process = run_forked([] {
        ::clearenv();
        if (!current_environment().empty()) return 1;
        ::setenv("A", "1", 1);
        ::setenv("B", "", 1);
        return current_environment() == std::vector<std::string>{"A=1", "B="} ? 0 : 2;
    });
    CHECK(process.status == ExitStatus::exited(0));
}

}  // namespace tenon::test
