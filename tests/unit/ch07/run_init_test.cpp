// 07.3: the life of pid 1. Each init here is pid 1 of a pid namespace of the test's own.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/init.hpp"

namespace tenon::test {

namespace {

// run_init as pid 1, with `sh -c script`. In the script, $1 is a file that this reads.
struct Outcome {
    int code = -1;
    std::string written;
};

// So that a payload sees the processes that init sees.
void mount_own_proc() {
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/ as private");
    check(::mount("proc", "/proc", "proc", 0, nullptr), "mount", "/proc");
}

Outcome run_as_pid_1(const std::string& script, const InitOptions& options = {}) {
    const TemporaryDirectory folder;
    const std::string file = folder.path() / "written";
    write_file(file, "");
    step(fmt::format("payload: sh -c '{}'", script));
    const std::string code = run_inside(CLONE_NEWPID | CLONE_NEWNS, [&] {
        mount_own_proc();
        std::vector<std::string> words{"/bin/sh", "-c", script, "sh", file};
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        return std::to_string(run_init(options, argv.data()));
    });
    Outcome outcome{std::stoi(code), read_file(file)};
    while (outcome.written.ends_with('\n')) outcome.written.pop_back();
    step(fmt::format("exit code {}, written: \"{}\"", outcome.code, outcome.written));
    return outcome;
}

void expect_code(const Outcome& outcome, int code) {
    TENON_EXPECT(outcome.code == code, fmt::format("exit code {}", code),
                 fmt::format("{}", outcome.code));
}

}  // namespace

TEST_CASE("run_init ends as its payload does", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const int code = static_cast<int>(random_below(126));
    expect_code(run_as_pid_1(fmt::format("exit {}", code)), code);
}

TEST_CASE("run_init tells a signal as shells do", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Outcome outcome = run_as_pid_1("kill -KILL $$");
    fact("raw_status", outcome.code == SIGKILL);
    expect_code(outcome, 128 + SIGKILL);
}

TEST_CASE("run_init passes a signal on", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    // What keeps the payload waiting ends by itself: a signal that is lost is an exit code.
    const Outcome outcome =
        run_as_pid_1("trap 'exit 7' USR1; sleep 3 & kill -USR1 1; wait; exit 1");
    fact("not_forwarded", outcome.code == 1);
    expect_code(outcome, 7);
}

TEST_CASE("run_init's payload dies of a signal that init survives",
          "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Outcome outcome = run_as_pid_1("kill -TERM 1; sleep 3; exit 1");
    fact("not_forwarded", outcome.code == 1);
    expect_code(outcome, 128 + SIGTERM);
}

TEST_CASE("run_init waits for its payload, and not for any child", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    // The inner shell ends before its child, which so becomes an orphan, and ends first of all.
    const Outcome outcome =
        run_as_pid_1("sh -c '(exit 3) & (exec sleep 0.01) &'; sleep 0.2; echo on >>\"$1\"; exit 5");
    fact("ended_with_an_orphan", outcome.written != "on");
    expect_code(outcome, 5);
}

TEST_CASE("run_init reaps orphans while its payload runs", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    // Each inner shell leaves a child. `cat` sees end of file when all have ended. What is left
    // after two seconds is never reaped.
    const Outcome outcome = run_as_pid_1(
        "mkfifo \"$1.pipe\"; cat \"$1.pipe\" & reader=$!\n"
        "for i in 1 2 3 4 5 6 7 8; do sh -c ': & exit'; done >\"$1.pipe\"\n"
        "wait $reader; rm \"$1.pipe\"; n=0\n"
        "while [ $n -lt 200 ]; do left=0; n=$((n+1))\n"
        "  for f in /proc/[0-9]*/stat; do read -r pid comm state parent rest <$f || continue\n"
        "    [ $state$parent = Z1 ] && left=$((left+1)); done 2>/dev/null\n"
        "  [ $left = 0 ] && break; sleep 0.01; done; echo $left >\"$1\"");
    expect_code(outcome, 0);
    fact("zombies_left", outcome.written != "0");
    TENON_EXPECT(outcome.written == "0", "no zombie", outcome.written + " of them");
}

TEST_CASE("run_init's payload leads a session of its own", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    // proc_pid_stat(5): pid (comm) state ppid pgrp session
    const Outcome outcome = run_as_pid_1(
        "read -r pid comm state parent group session rest </proc/$$/stat; "
        "echo $((group - $$)) $((session - $$)) >\"$1\"");
    fact("no_session", outcome.written != "0 0");
    TENON_EXPECT(outcome.written == "0 0", "its group and its session have its own number",
                 "they differ from it by " + outcome.written);
}

TEST_CASE("run_init gives its payload the mask that it had itself",
          "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string mask = status_field(::getpid(), "SigBlk");
    const Outcome outcome = run_as_pid_1(
        "while read -r key value; do case $key in SigBlk:) echo $value >\"$1\"; esac; "
        "done </proc/$$/status");
    fact("mask_kept", outcome.written.starts_with("fffffff"));
    TENON_EXPECT(outcome.written == mask, "SigBlk " + mask, "SigBlk " + outcome.written);
}

TEST_CASE("run_init says 127 for what is not there, 126 for what cannot run",
          "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    for (const auto& [name, code] :
         {std::pair{"/nowhere/" + random_name(8), 127}, std::pair{random_name(12), 127},
          std::pair{std::string{"/etc/passwd"}, 126}, std::pair{std::string{"/etc"}, 126},
          std::pair{std::string{"/etc/passwd/x"}, 127}}) {
        const std::string got = run_inside(CLONE_NEWPID, [&] {
            std::string word = name;
            char* argv[] = {word.data(), nullptr};
            const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
            ::dup2(null, STDERR_FILENO);
            return std::to_string(run_init({}, argv));
        });
        TENON_EXPECT(got == std::to_string(code), fmt::format("{} for {}", code, name), got);
    }
}

TEST_CASE("run_init takes everybody along in the end", "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Outcome outcome = run_as_pid_1("setsid sleep 1000 & sleep 1000 & exit 4");
    expect_code(outcome, 4);
}

TEST_CASE("run_init hears of children though its caller ignored SIGCHLD",
          "[07.3][uses-07.1][uses-07.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    struct sigaction before {};
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    const std::string got = run_inside(CLONE_NEWPID, [&] {
        ::sigaction(SIGCHLD, &ignore, &before);
        std::string words[] = {"/bin/sh", "-c", "exit 9"};
        char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
        return std::to_string(run_init({}, argv));
    });
    TENON_EXPECT(got == "9", "exit code 9", got);
}

}  // namespace tenon::test
