// What a process has in memory (keys, passwords) it keeps from others by its uid. CAP_SYS_PTRACE
// goes past that: whoever has it attaches to any process it can see, and reads and writes in it.
// A container that shares a pid namespace, with the host or in a pod, sees its neighbours.
//
//   trace_neighbour PID NAME   stops PID and prints its environment variable NAME
// Exit code: 0 it was read, 3 the kernel refused, 2 anything else.
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace {

// Where the environment lies: fields 50 and 51 of /proc/PID/stat, which are 0 for who may not
// trace the process. The second field is a name, and may hold anything. proc_pid_stat(5)
std::pair<std::uintptr_t, std::uintptr_t> environment_of(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
    std::string line;
    std::getline(file, line);
    std::istringstream fields{line.substr(line.rfind(')') + 1)};
    std::string field;
    for (int number = 3; number < 50 && fields >> field; ++number) {
    }
    std::pair<std::uintptr_t, std::uintptr_t> range;
    fields >> range.first >> range.second;
    return range;
}

std::string read_memory(pid_t pid, std::uintptr_t begin, std::uintptr_t end) {
    std::string bytes(end - begin, '\0');
    iovec here{bytes.data(), bytes.size()};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address in another process, as text gave it
    iovec there{reinterpret_cast<void*>(begin), bytes.size()};
    const long got = ::process_vm_readv(pid, &here, 1, &there, 1, 0);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

int print_variable(const std::string& environment, const std::string& wanted) {
    std::istringstream variables{environment};
    for (std::string variable; std::getline(variables, variable, '\0');) {
        if (variable.rfind(wanted + "=", 0) != 0) continue;
        std::printf("it is stopped, and %s\n", variable.c_str());
        return 0;
    }
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const auto pid = static_cast<pid_t>(std::strtol(argv[1], nullptr, 10));
    if (::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) != 0) {
        std::printf("ptrace: %s\n", std::strerror(errno));
        return errno == EPERM ? 3 : 2;
    }
    ::waitpid(pid, nullptr, __WALL);
    const auto [begin, end] = environment_of(pid);
    const int code = print_variable(read_memory(pid, begin, end), argv[2]);
    ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
    return code;
}
