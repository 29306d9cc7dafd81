// Somebody else gets the pid of a process that has ended. Numbers are handed out in turn: whoever
// forks often enough gets the one that they want, in minutes. This one asks for it, which takes
// rights (clone(2), set_tid), and has it in a moment.
//
//   take_pid PID    waits until PID is free; then a neighbour of ours has it, and lives until
//                   standard input has a line. Says "taken" when it is there.
//                   Exit code 0: nobody did anything to it, 3: it was killed, 1: anything else
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int was_killed = 3;
constexpr int unusable = 1;
constexpr int patience_ms = 20'000;
constexpr int step_ms = 5;
// Start times are counted in ticks of 10 ms. No fork comes round within one, so neither do we.
constexpr int one_tick_ms = 20;

// As fork(2), with that pid. -1 and EEXIST as long as somebody has it, a zombie too.
pid_t fork_as(pid_t pid) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uintptr_t>(&pid);
    arguments.set_tid_size = 1;
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

pid_t take(pid_t pid) {
    ::poll(nullptr, 0, one_tick_ms);
    for (int waited = 0;; waited += step_ms) {
        const pid_t child = fork_as(pid);
        if (child >= 0 || errno != EEXIST || waited >= patience_ms) return child;
        ::poll(nullptr, 0, step_ms);
    }
}

[[noreturn]] void live_as_neighbour() {
    ::prctl(PR_SET_NAME, "neighbour");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char line = 0;
    ::_exit(::read(STDIN_FILENO, &line, 1) == 1 ? 0 : unusable);
}

}  // namespace

int main(int argc, char** argv) {
    const int pid = argc == 2 ? std::atoi(argv[1]) : 0;
    if (pid <= 1) return unusable;
    const pid_t child = take(pid);
    if (child < 0) {
        std::perror("take_pid: clone3");
        return unusable;
    }
    if (child == 0) live_as_neighbour();
    std::puts("taken");
    std::fflush(stdout);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) return was_killed;
    return WEXITSTATUS(status) == 0 ? 0 : unusable;
}
