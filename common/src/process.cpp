// Helpers are run with posix_spawn and read to the end through one poll loop.
#include "tenon/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tenon/error.hpp"

extern "C" {
extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to us
}

namespace tenon {

namespace {

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    check(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

// posix_spawn's two setting objects, destroyed with the scope.
class SpawnSettings {
  public:
    SpawnSettings(FdRef out, FdRef err) {
        posix_spawn_file_actions_init(&actions_);
        posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions_, out.number(), STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions_, err.number(), STDERR_FILENO);
        sigset_t none{};
        sigset_t all{};
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_init(&attributes_);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        posix_spawnattr_destroy(&attributes_);
        posix_spawn_file_actions_destroy(&actions_);
    }

    [[nodiscard]] pid_t spawn(std::vector<std::string> argv) const {
        std::vector<char*> pointers;
        pointers.reserve(argv.size() + 1);
        for (std::string& argument : argv) pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        pid_t pid = -1;
        const int error =
            posix_spawnp(&pid, pointers[0], &actions_, &attributes_, pointers.data(), environ);
        if (error != 0) throw SysError(error, "posix_spawnp", argv[0]);
        return pid;
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

// Reads once; closes the descriptor at end of file. Keeps at most `limit` bytes.
void drain_once(UniqueFd& from, std::string& into, std::size_t limit) {
    std::array<char, 16384> chunk{};
    const long got = ::read(from.ref().number(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) return;
    if (check(got, "read", "a helper's output") == 0) return from.reset();
    into.append(chunk.data(), std::min(static_cast<std::size_t>(got), limit - into.size()));
}

// Both streams at once: a helper that fills one pipe while we read the other would wait for ever.
void collect(UniqueFd& out, UniqueFd& err, ProcessResult& result, std::size_t limit) {
    while (out.valid() || err.valid()) {
        std::array<pollfd, 2> watched{pollfd{out.ref().number(), POLLIN, 0},
                                      pollfd{err.ref().number(), POLLIN, 0}};
        if (::poll(watched.data(), watched.size(), -1) < 0) {
            if (errno == EINTR) continue;
            check(-1, "poll", "a helper's output");
        }
        if (watched[0].revents != 0) drain_once(out, result.out, limit);
        if (watched[1].revents != 0) drain_once(err, result.err, limit);
    }
}

ExitStatus reap(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) < 0) {
        if (errno != EINTR) check(-1, "waitid", "a helper");
    }
    return ExitStatus::from(info);
}

}  // namespace

ExitStatus ExitStatus::from(const siginfo_t& info) {
    return info.si_code == CLD_EXITED ? exited(info.si_status) : signaled(info.si_status);
}

ProcessResult run_process(const std::vector<std::string>& argv, std::size_t output_limit) {
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    const pid_t pid = SpawnSettings{out.writer, err.writer}.spawn(argv);
    out.writer.reset();
    err.writer.reset();
    ProcessResult result{ExitStatus::exited(0), {}, {}};
    collect(out.reader, err.reader, result, output_limit);
    result.status = reap(pid);
    return result;
}

std::vector<std::string> current_environment() {
    std::vector<std::string> variables;
    if (environ == nullptr) return variables;  // after clearenv(3)
    for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
    return variables;
}

}  // namespace tenon
