// fork_bomb MOST: makes children that do nothing, until it has MOST or the kernel refuses one.
//
// No right is needed for this, and no bug is used. Every process takes a number, and numbers end
// (kernel.pid_max): when the last one is given out, nobody can start anything, also not a shell to
// look who it was. Namespaces do not help: a process in a pid namespace has a number outside, too.
//
// Says how far it came, keeps what it has until standard input says a line or ends, and takes its
// children along. Bounded in number by MOST and in time by an alarm.
// Exit code: 0 it has MOST, 3 a fork was refused with EAGAIN.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int was_refused = 3;
constexpr unsigned longest_life_seconds = 40;

[[noreturn]] void sleep_until_killed() {
    // Whatever ends the bomb ends its children.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
}

// Returns what ended it: EAGAIN, or 0 when it has all.
int make_children(std::size_t most, std::vector<pid_t>& children) {
    while (children.size() < most) {
        const pid_t child = ::fork();
        if (child == 0) sleep_until_killed();
        if (child < 0) return errno;
        children.push_back(child);
    }
    return 0;
}

void end_all(const std::vector<pid_t>& children) {
    for (const pid_t child : children) ::kill(child, SIGKILL);
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
    const long most = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
    if (most <= 0) {
        std::fprintf(stderr, "usage: fork_bomb MOST\n");
        return 2;
    }
    ::alarm(longest_life_seconds);
    std::vector<pid_t> children;
    children.reserve(static_cast<std::size_t>(most));
    const int error = make_children(static_cast<std::size_t>(most), children);
    std::printf("%zu %s\n", children.size(), error == EAGAIN ? "EAGAIN" : "all");
    std::fflush(stdout);
    char word = 0;
    while (::read(STDIN_FILENO, &word, 1) == 1 && word != '\n') {
    }
    end_all(children);
    return error == EAGAIN ? was_refused : 0;
}
