// A program that leaves children behind, as many a server does, and what that costs where nobody
// reaps them.
//
//   zombies fill N     makes an orphan that ends, N times over; says when no fork is granted any
//                      more. Exit code 3: refused, 0: never refused
//   zombies burst N    N orphans that live, and then die all at once; waits until no zombie is
//   left.
//                      Exit code 3: some stay, 0: none
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int stays = 3;
constexpr int unusable = 1;
constexpr int patience_ms = 20'000;
constexpr int step_ms = 10;

// A fork that is refused may be granted a moment later, where somebody reaps.
pid_t fork_with_patience(int patience) {
    for (int waited = 0;; waited += step_ms) {
        const pid_t pid = ::fork();
        if (pid >= 0 || errno != EAGAIN || waited >= patience) return pid;
        ::poll(nullptr, 0, step_ms);
    }
}

// The child ends before its own child, which so becomes an orphan, and ends at once.
bool leave_an_orphan() {
    const pid_t child = fork_with_patience(1'000);
    if (child < 0) return false;
    if (child == 0) {
        const pid_t orphan = fork_with_patience(1'000);
        ::_exit(orphan < 0 ? stays : 0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int fill(int count) {
    for (int made = 0; made < count; ++made) {
        if (leave_an_orphan()) continue;
        std::printf("%d orphans, then fork: refused\n", made);
        return stays;
    }
    std::printf("%d orphans, and fork: granted\n", count);
    return 0;
}

// proc_pid_stat(5): pid (comm) state ppid. The command may hold anything, also ')'.
bool is_zombie_of_pid_1(const std::string& folder) {
    const int file = ::open((folder + "/stat").c_str(), O_RDONLY);
    if (file < 0) return false;
    char text[512] = {};
    const long length = ::read(file, text, sizeof text - 1);
    ::close(file);
    const char* after = length > 0 ? std::strrchr(text, ')') : nullptr;
    return after != nullptr && std::strncmp(after, ") Z 1 ", 6) == 0;
}

int count_zombies(int most) {
    int count = 0;
    for (int pid = 2; pid < 2 * most + 100; ++pid) {
        if (is_zombie_of_pid_1("/proc/" + std::to_string(pid))) ++count;
    }
    return count;
}

// Each waits for the end of a pipe that only we can write to.
[[noreturn]] void make_waiting_orphans(int count, const int* ends) {
    ::close(ends[1]);
    for (int i = 0; i < count; ++i) {
        const pid_t pid = ::fork();
        if (pid < 0) ::_exit(unusable);
        if (pid > 0) continue;
        char byte = 0;
        const long got = ::read(ends[0], &byte, 1);
        ::_exit(got == 0 ? 0 : unusable);
    }
    ::_exit(0);
}

int burst(int count) {
    int ends[2] = {};
    if (::pipe(ends) != 0) return unusable;
    const pid_t middle = ::fork();
    if (middle == 0) make_waiting_orphans(count, ends);
    int status = 0;
    ::waitpid(middle, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return unusable;
    ::close(ends[1]);
    int left = count;
    for (int waited = 0; left > 0 && waited < patience_ms; waited += step_ms) {
        ::poll(nullptr, 0, step_ms);
        left = count_zombies(count);
    }
    std::printf("%d orphans died at once, zombies left: %d\n", count, left);
    return left == 0 ? 0 : stays;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string verb = argc == 3 ? argv[1] : "";
    const int count = argc == 3 ? std::atoi(argv[2]) : 0;
    int code = unusable;
    if (verb == "fill") code = fill(count);
    if (verb == "burst") code = burst(count);
    if (code == unusable) std::fprintf(stderr, "zombies: cannot: %s\n", std::strerror(errno));
    std::fflush(stdout);
    return code;
}
