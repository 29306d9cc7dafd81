// Its input is a file in memory, so that nobody has to write while the other reads; of its output
// the end is kept, where programs say what went wrong.
#include "tenon/helper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <span>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kept_output = 2048;

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    check(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), "pipe2");
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

UniqueFd input_file(std::string_view text) {
    UniqueFd file = sys::memfd_create("input");
    sys::write_all(file, std::as_bytes(std::span{text}), "a helper's input");
    check(::lseek(file.ref().number(), 0, SEEK_SET), "lseek", "a helper's input");
    return file;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

// posix_spawn's two setting objects, destroyed with the scope.
class Settings {
  public:
    Settings(FdRef input, FdRef output, FdRef folder) {
        posix_spawn_file_actions_init(&actions);
        if (folder.valid()) posix_spawn_file_actions_addfchdir_np(&actions, folder.number());
        posix_spawn_file_actions_adddup2(&actions, input.number(), STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output.number(), STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output.number(), STDERR_FILENO);
        // What our caller left open, or meant for somebody else, is nothing for a helper.
        posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
        sigset_t none{};
        sigset_t all{};
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;
    ~Settings() {
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
    }

    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

pid_t spawn_helper(const Helper& helper, FdRef output) {
    const UniqueFd input = input_file(helper.input);
    const Settings settings{input, output, helper.folder};
    const std::vector<std::string> alone{helper.path};
    const std::vector<char*> argv = pointers_to(helper.argv.empty() ? alone : helper.argv);
    const std::vector<char*> envp = pointers_to(helper.environment);
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, helper.path.c_str(), &settings.actions,
                                    &settings.attributes, argv.data(), envp.data());
    if (error != 0) throw SysError(error, "posix_spawn", helper.path);
    return pid;
}

// What is there now, and no more than that: who writes without an end would keep us for ever. At
// the end of file it is closed, so that nobody waits for it any more.
void drain(UniqueFd& from, std::string& into) {
    std::array<char, 4096> chunk{};
    constexpr int most = 16;  // a pipe holds so many. pipe(7)
    for (int i = 0; i < most && from.valid(); ++i) {
        const long got = ::read(from.ref().number(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (check(got, "read", "a helper's output") == 0) return from.reset();
        into.append(chunk.data(), static_cast<std::size_t>(got));
        if (into.size() > kept_output) into.erase(0, into.size() - kept_output);
    }
}

int milliseconds_until(std::optional<Clock::time_point> deadline) {
    if (!deadline) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

enum class End { ByItself, OutOfTime, BySignal };

// poll(2) leaves out what is negative.
int number_or_none(const EndingSignals* signals) {
    return signals != nullptr ? signals->fd().number() : -1;
}

// What comes first.
End wait_for_end(FdRef pidfd, UniqueFd& output, std::string& text, const Helper& helper) {
    std::optional<Clock::time_point> deadline;
    if (helper.timeout) deadline = Clock::now() + *helper.timeout;
    while (true) {
        std::array<pollfd, 3> watched{pollfd{pidfd.number(), POLLIN, 0},
                                      pollfd{output.ref().number(), POLLIN, 0},
                                      pollfd{number_or_none(helper.signals), POLLIN, 0}};
        const long ready = ::poll(watched.data(), watched.size(), milliseconds_until(deadline));
        if (ready < 0 && errno == EINTR) continue;
        check(ready, "poll", "a helper");
        if (watched[1].revents != 0) drain(output, text);
        if (watched[0].revents != 0) return End::ByItself;
        if (watched[2].revents != 0) return End::BySignal;
        if (deadline && Clock::now() >= *deadline) return End::OutOfTime;
    }
}

}  // namespace

HelperResult run_helper(const Helper& helper) {
    Pipe output = make_pipe();
    // What it writes must be able to wait for us, so only our end returns at once.
    check(::fcntl(output.writer.ref().number(), F_SETFL, 0), "fcntl", "a helper's output");
    const pid_t pid = spawn_helper(helper, output.writer);
    output.writer.reset();
    const UniqueFd pidfd = sys::pidfd_open(pid);  // not reaped yet: it is still ours
    HelperResult result;
    const End end = wait_for_end(pidfd, output.reader, result.output, helper);
    if (end != End::ByItself) sys::pidfd_send_signal(pidfd, SIGKILL);
    result.timed_out = end == End::OutOfTime;
    result.status = ExitStatus::from(sys::waitid(pidfd));
    if (end == End::BySignal) helper.signals->end();
    drain(output.reader, result.output);
    return result;
}

}  // namespace tenon
