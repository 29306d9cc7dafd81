// 03.5: nothing is left, neither processes nor groups.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>

#include "cgroup_view.hpp"
#include "descriptors.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

UniqueFd open_folder(const fs::path& path) {
    return sys::openat(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY);
}

// A process that takes long to die: its memory is given back page by page before it leaves the
// group.
int hold_much_memory(std::atomic<bool>& ready) {
    constexpr std::size_t size = std::size_t{128} << 20;
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    ::madvise(memory, size, MADV_NOHUGEPAGE);
    ready = true;
    while (true) ::pause();
}

void wait_until(const std::atomic<bool>& flag) {
    while (!flag) ::sched_yield();
}

// What remove_cgroup() left of the group `name` in `above`.
void expect_gone(const TestCgroup& above, const std::string& name) {
    const bool there = fs::exists(above.path() / name);
    fact("group_left", there);
    TENON_EXPECT(!there, "the group's directory is gone", "it is still there");
}

// Removes it, and notes what a refusal means: EBUSY is said of a group that has processes, and of
// one that has groups.
void remove_and_note(const TestCgroup& above, const std::string& name) {
    try {
        remove_cgroup(above.fd(), name);
    } catch (const SysError& error) {
        step(std::string{"remove_cgroup: "} + error.what());
        const bool busy = error.call() == "unlinkat" && error.error() == EBUSY;
        const std::string events = read_file(above.path() / name / "cgroup.events");
        const bool populated = events.find("populated 1") != std::string::npos;
        fact("still_busy", busy && populated);
        fact("groups_below_left", busy && !populated);
        throw;
    }
}

}  // namespace

TEST_CASE("kill_all writes to cgroup.kill", "[03.5]") {
    const TemporaryDirectory directory;
    write_file(directory.path() / "cgroup.kill", "");
    write_file(directory.path() / "cgroup.events", "populated 0\nfrozen 0\n");
    kill_all(open_folder(directory.path()));
    const std::string got = read_file(directory.path() / "cgroup.kill");
    step("cgroup.kill: \"" + got + "\"");
    TENON_EXPECT(got.starts_with("1"), "1", "\"" + got + "\"");
}

TEST_CASE("kill_all ends every process of the group and below", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    Member one(group.path());
    Member two(group.path());
    Member deep(group.make("a/b"));
    step("two processes in the group, one two levels below");
    kill_all(group.fd());
    const bool left = is_populated_group(group.path());
    step(fmt::format("populated in cgroup.events: {}", left ? 1 : 0));
    TENON_EXPECT(!left, "populated 0", "populated 1");
    for (Member* member : {&one, &two, &deep}) {
        const int code = member->wait().shell_code();
        TENON_EXPECT(code == 128 + SIGKILL, "each ended by SIGKILL: 137", fmt::format("{}", code));
    }
}

TEST_CASE("kill_all returns when nobody is left", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const SharedValue<std::atomic<bool>> ready;
    const Member slow(group.path(), [&] { return hold_much_memory(*ready); });
    wait_until(*ready);
    kill_all(group.fd());
    const bool left = is_populated_group(group.path());
    step("a process with 128 MiB takes its time to end");
    step(fmt::format("when kill_all returns, cgroup.events says populated {}", left ? 1 : 0));
    fact("returned_early", left);
    TENON_EXPECT(!left, "populated 0", "populated 1: the process still ends");
}

TEST_CASE("kill_all of a frozen group kills", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    Member member(group.path());
    group.write("cgroup.freeze", "1");
    kill_all(group.fd());
    const int code = member.wait().shell_code();
    TENON_EXPECT(code == 128 + SIGKILL, "137", fmt::format("{}", code));
}

TEST_CASE("kill_all of an empty group is no error", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const std::string got = refusal([&] { kill_all(group.fd()); });
    TENON_EXPECT(got == "accepted", "accepted", got);
}

// ---- the race between a look and a kill ------------------------------------------------------

namespace {

bool is_kill(const __ptrace_syscall_info& info) {
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    const auto number = static_cast<long>(info.entry.nr);
    return number == SYS_kill || number == SYS_tkill || number == SYS_tgkill ||
           number == SYS_pidfd_send_signal || number == SYS_rt_sigqueueinfo;
}

struct Traced {
    int calls = 0;  // 0: no process may be traced here
    bool sends_signal = false;
};

// Runs `body` in a child that stops at each of its system calls; not beyond the first that sends
// a signal.
Traced run_until_signal(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
        ::raise(SIGSTOP);
        try {
            body();
        } catch (const std::exception&) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    Traced traced;
    ::waitpid(pid, &status, 0);
    ::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (WIFSTOPPED(status) && !traced.sends_signal) {
        __ptrace_syscall_info info{};
        ::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
        traced.calls += info.op == PTRACE_SYSCALL_INFO_ENTRY ? 1 : 0;
        traced.sends_signal = is_kill(info);
        if (traced.sends_signal) ::kill(pid, SIGKILL);
        if (!traced.sends_signal) ::ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr);
        ::waitpid(pid, &status, 0);
    }
    return traced;
}

// Forks when it is asked to: a process whose child nobody has seen yet.
class Forking {
  public:
    explicit Forking(const fs::path& group)
        : member_(group, [this] {
              char byte = 0;
              if (::read(asked_.first.ref().number(), &byte, 1) != 1) return 1;
              const pid_t child = ::fork();
              if (child == 0) {
                  while (true) ::pause();
              }
              check(::write(answer_.second.ref().number(), &child, sizeof child), "write");
              while (true) ::pause();
          }) {}

    // The pid of its new child.
    [[nodiscard]] pid_t fork_now() const {
        pid_t child = -1;
        check(::write(asked_.second.ref().number(), "!", 1), "write");
        check(::read(answer_.first.ref().number(), &child, sizeof child), "read");
        return child;
    }
    [[nodiscard]] pid_t pid() const { return member_.pid(); }

  private:
    Ends asked_ = make_test_pipe();
    Ends answer_ = make_test_pipe();
    Member member_;
};

}  // namespace

TEST_CASE("kill_all does not race with a fork", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const Forking forking(group.path());
    step(fmt::format("process {} is in the group; kill_all begins", forking.pid()));
    kill_all(open_folder(group.make("empty")));  // what it throws is told from here
    const Traced traced = run_until_signal([&] { kill_all(group.fd()); });
    TENON_NEED(traced.calls > 0, "lab VM: needs ptrace(2) of its own children");
    const bool by_pid = traced.sends_signal;
    fact("killed_by_pid", by_pid);
    if (by_pid) {
        step("kill_all is about to send its first signal, to a pid it has read before");
        step(fmt::format("now process {} forks: {} is in the group, and on no list", forking.pid(),
                         forking.fork_now()));
    }
    TENON_EXPECT(!by_pid, "one write to cgroup.kill, which reaches those being born, too",
                 "signals to single pids: whoever forks in between is missed");
    TENON_EXPECT(!is_populated_group(group.path()), "nobody is left", "somebody is");
}

namespace {

// Forks and ends, forks and ends: a process that is never where it was seen. Ends by itself after
// some seconds, and says so, for it should not have come to that.
[[noreturn]] void run_as_comet(std::atomic<bool>& survived, std::time_t deadline) {
    while (std::time(nullptr) < deadline) {
        if (::fork() > 0) ::_exit(0);
    }
    survived = true;
    ::_exit(0);
}

}  // namespace

TEST_CASE("kill_all leaves nothing of a tree that forks without end", "[03.5]") {
    // The number of processes stays the same, but a machine that others use is no place for it.
    TENON_NEED(std::getenv("TENON_LAB_VM") != nullptr,
               "lab VM: runs a tree that forks all the time");
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const fs::path below = group.make("below");
    const SharedValue<std::atomic<bool>> survived;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const std::time_t deadline = std::time(nullptr) + 20;
    for (int i = 0; i < 4; ++i) {
        const Member first(i % 2 == 0 ? group.path() : below, [&] {
            for (int branch = 0; branch < 2; ++branch) {
                if (::fork() == 0) run_as_comet(*survived, deadline);
            }
            return 0;
        });
    }
    kill_all(group.fd());
    const bool left = is_populated_group(group.path());
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    fact("survivors", left || survived->load());
    TENON_EXPECT(!left, "populated 0", "populated 1");
    TENON_EXPECT(!survived->load(), "each was killed", "one escaped, and ended by itself");
}

// ---- removing --------------------------------------------------------------------------------

TEST_CASE("remove_cgroup removes an empty group", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    above.make("one");
    remove_cgroup(above.fd(), "one");
    expect_gone(above, "one");
}

TEST_CASE("remove_cgroup kills what runs there, and waits for its end", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const SharedValue<std::atomic<bool>> ready;
    Member slow(above.make("one"), [&] { return hold_much_memory(*ready); });
    wait_until(*ready);
    step("a process with 128 MiB sits in the group; remove_cgroup");
    remove_and_note(above, "one");
    expect_gone(above, "one");
    const int code = slow.wait().shell_code();
    TENON_EXPECT(code == 128 + SIGKILL, "the process was killed: 137", fmt::format("{}", code));
}

TEST_CASE("remove_cgroup removes the groups below, too", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    above.make("one/a/b");
    above.make("one/c");
    step("groups one, one/a, one/a/b and one/c, all empty");
    remove_and_note(above, "one");
    expect_gone(above, "one");
}

TEST_CASE("remove_cgroup reaches processes in groups below", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Member here(above.make("one"));
    const Member deep(above.make("one/a/b"));
    remove_and_note(above, "one");
    expect_gone(above, "one");
}

TEST_CASE("remove_cgroup leaves the groups beside it alone", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    above.make("one");
    const Member other(above.make("other"));
    remove_cgroup(above.fd(), "one");
    expect_gone(above, "one");
    const bool lives = processes_in(above.path() / "other").contains(other.pid());
    TENON_EXPECT(lives, "the process in the other group lives", "it does not");
}

TEST_CASE("remove_cgroup of a group that is gone is no error", "[03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const std::string got = refusal([&] { remove_cgroup(above.fd(), random_name(8)); });
    TENON_EXPECT(got == "accepted", "accepted", got);
}

}  // namespace tenon::test
