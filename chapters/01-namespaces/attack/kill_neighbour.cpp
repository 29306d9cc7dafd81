// kill_neighbour NAME: ends the process that has "neighbour=NAME" among its arguments.
//
// All it needs is what every process has: /proc, which lists the others with their numbers, and
// kill(2), which takes a number. A pid namespace takes the second away. The list may still be
// there (chapter 01 keeps the host's /proc), but its numbers mean nothing to kill any more.
//
// Exit code: 0 the neighbour is dead, 3 it is in the list but out of reach, 4 it is not in sight.
#include <dirent.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

constexpr int out_of_reach = 3;
constexpr int not_in_sight = 4;

// /proc/PID/cmdline: the arguments, each with a NUL behind it. proc(5)
bool has_argument(const std::string& pid, const std::string& wanted) {
    std::ifstream file{"/proc/" + pid + "/cmdline", std::ios::binary};
    for (std::string argument; std::getline(file, argument, '\0');) {
        if (argument == wanted) return true;
    }
    return false;
}

pid_t find_process(const std::string& wanted) {
    DIR* proc = ::opendir("/proc");
    if (proc == nullptr) return 0;
    pid_t found = 0;
    while (const dirent* entry = ::readdir(proc)) {
        const std::string name = entry->d_name;
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        if (has_argument(name, wanted)) found = std::atoi(name.c_str());
    }
    ::closedir(proc);
    return found;
}

// kill(2) only asks: the pidfd, readable once the process has ended, tells when it is done.
int kill_and_wait(pid_t pid) {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (::kill(pid, SIGKILL) != 0) {
        std::printf("neighbour in the list as %d, kill: %s\n", pid, ::strerrorname_np(errno));
        return out_of_reach;
    }
    pollfd ended{pidfd, POLLIN, 0};
    if (::poll(&ended, 1, 5000) != 1) return out_of_reach;
    std::printf("neighbour %d killed\n", pid);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: kill_neighbour NAME\n");
        return 2;
    }
    const pid_t neighbour = find_process(std::string{"neighbour="} + argv[1]);
    if (neighbour == 0) {
        std::printf("no neighbour in sight\n");
        return not_in_sight;
    }
    return kill_and_wait(neighbour);
}
