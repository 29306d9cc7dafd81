// 01.2: a child in new namespaces, owned by its parent.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/namespaces.hpp"

namespace tenon::test {

namespace {

// A child that waits until its parent ends it: something to look at from outside.
int wait_for_signal(SyncSocket&) {
    while (true) ::pause();
}

// Namespaces that any kernel of ours has, in a random choice of at least one.
NamespaceSet random_namespaces() {
    NamespaceSet set;
    while (set.empty()) {
        for (const Namespace kind : all_namespaces) {
            if (kind != Namespace::User && random_below(2) == 1) set.insert(kind);
        }
    }
    return set;
}

// Memory that parent and child share, for what only the child can see.
template <typename T>
T* shared_value() {
    void* memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    return new (memory) T{};
}

std::size_t count_sockets(const std::string& pid) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + pid + "/fd")) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
        if (target.starts_with("socket:")) ++count;
    }
    return count;
}

// Whether the process behind the pidfd has ended within two seconds.
bool ends_soon(int pidfd) {
    pollfd watched{pidfd, POLLIN, 0};
    return ::poll(&watched, 1, 2000) == 1;
}

}  // namespace

TEST_CASE("spawn puts the child in a new namespace of each kind asked for", "[01.2][uses-01.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    for (const Namespace kind : all_namespaces) {
        const std::string name{proc_name(kind)};
        const auto outside = namespace_inode("self", name);
        const Child child = spawn({.create = {kind}}, wait_for_signal);
        step(fmt::format("spawn with a new {} namespace", name));
        const auto inside = namespace_inode(child.pid(), name);
        fact("caller_moved", namespace_inode("self", name) != outside);
        fact("in_new_namespace", inside != outside);
        TENON_EXPECT(namespace_inode("self", name) == outside, "the parent stays where it is",
                     "the parent itself is in a new " + name + " namespace");
        TENON_EXPECT(inside != outside, fmt::format("{} differs from the host's {}", name, outside),
                     fmt::format("/proc/PID/ns/{} is {}, the same", name, inside));
    }
}

TEST_CASE("spawn makes the child pid 1 of a new pid namespace", "[01.2][uses-01.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Child child = spawn({.create = {Namespace::Pid}}, wait_for_signal);
    const std::string pids = status_field(child.pid(), "NSpid");
    step("spawn with a new pid namespace");
    step("NSpid of the child: " + pids);
    const bool is_first = pids.ends_with("\t1");
    fact("in_new_namespace", is_first);
    TENON_EXPECT(is_first, "two pids, the inner one 1", "NSpid " + pids);
}

TEST_CASE("spawn leaves its caller where it was", "[01.2][uses-01.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const NamespaceSet wanted = random_namespaces();
    std::string before;
    std::string after;
    const auto all_inodes = [] {
        std::string text;
        for (const char* file :
             {"mnt", "uts", "ipc", "net", "pid_for_children", "cgroup", "time_for_children"}) {
            text += fmt::format("{} {} ", file, namespace_inode("self", file));
        }
        return text;
    };
    before = all_inodes();
    {
        const Child child = spawn({.create = wanted}, wait_for_signal);
        after = all_inodes();
    }
    step("spawn with a random set of namespaces, then look at the parent's own");
    fact("caller_moved", before != after);
    TENON_EXPECT(before == after, "the parent's namespaces as before: " + before, after);
}

TEST_CASE("spawn's child ends with the result of its function", "[01.2][uses-01.1]") {
    const int code = static_cast<int>(random_below(256));
    Child child = spawn({}, [code](SyncSocket&) { return code; });
    step(fmt::format("the child's function returns {}", code));
    const int status = child.wait().shell_code();
    TENON_EXPECT(status == code, fmt::format("exit status {}", code), fmt::format("{}", status));
}

TEST_CASE("spawn's child that is killed reports 128 plus the signal", "[01.2][uses-01.1]") {
    for (const int signal : {SIGKILL, SIGHUP, SIGUSR1}) {
        Child child = spawn({}, wait_for_signal);
        child.kill(signal);
        step(fmt::format("the child is sent signal {}", signal));
        const int status = child.wait().shell_code();
        TENON_EXPECT(status == 128 + signal, fmt::format("exit status {}", 128 + signal),
                     fmt::format("{}", status));
    }
}

TEST_CASE("spawn brings what its child throws to the parent", "[01.2][uses-01.1]") {
    const std::string subject = random_name(12);
    Child child = spawn({}, [&](SyncSocket&) -> int { throw SysError(ENOTTY, "ioctl", subject); });
    step("the child throws SysError ENOTTY about " + subject);
    std::string caught = "nothing was thrown";
    try {
        const int status = child.wait().shell_code();
        step(fmt::format("nothing arrives; the child ends with status {}", status));
        fact("child_status", std::to_string(status));
    } catch (const SysError& error) {
        caught = error.what();
    }
    fact("error_arrived", caught.find(subject) != std::string::npos);
    TENON_EXPECT(caught == SysError(ENOTTY, "ioctl", subject).what(),
                 std::string{SysError(ENOTTY, "ioctl", subject).what()}, caught);
}

TEST_CASE("spawn's child runs only after prepare has returned", "[01.2][uses-01.1]") {
    enum class Seen { Nothing, Unprepared, Prepared };
    auto* prepared = shared_value<std::atomic<bool>>();
    auto* seen = shared_value<std::atomic<Seen>>();
    CloneArgs args;
    args.prepare = [&](const Child& child) {
        // The child has every chance to run too early: nothing but its own waiting stops it. Asleep
        // it waits; proc_pid_stat(5), (3) state
        const std::string stat = fmt::format("/proc/{}/stat", child.pid());
        while (seen->load() == Seen::Nothing && read_file(stat).find(") S ") == std::string::npos) {
            ::sched_yield();
        }
        prepared->store(true);
    };
    const auto child_main = [&](SyncSocket& to_parent) {
        seen->store(prepared->load() ? Seen::Prepared : Seen::Unprepared);
        return wait_for_signal(to_parent);
    };
    step("prepare runs in the parent and sets a flag at its end");
    const Child child = spawn(args, child_main);
    while (seen->load() == Seen::Nothing) ::sched_yield();
    const bool waited = seen->load() == Seen::Prepared;
    step(waited ? "the child finds it set" : "the child finds it not set");
    fact("child_waited", waited);
    ::munmap(prepared, sizeof *prepared);
    ::munmap(seen, sizeof *seen);
    TENON_EXPECT(waited, "the child starts when prepare is done", "it ran before that");
}

TEST_CASE("spawn reaps its child when prepare throws", "[01.2][uses-01.1]") {
    UniqueFd pidfd;
    CloneArgs args;
    args.prepare = [&](const Child& child) {
        pidfd = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0))};
        throw std::runtime_error("prepare refuses");
    };
    step("prepare throws");
    REQUIRE_THROWS_AS(spawn(args, wait_for_signal), std::runtime_error);
    siginfo_t info{};
    const auto id = static_cast<id_t>(pidfd.ref().number());
    const bool still_ours = ::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG) == 0;
    if (still_ours) {
        ::syscall(SYS_pidfd_send_signal, pidfd.ref().number(), SIGKILL, nullptr, 0);
        ::waitid(P_PIDFD, id, &info, WEXITED);
    }
    fact("orphan", still_ours);
    TENON_EXPECT(!still_ours, "the child is killed and reaped", "it is there to be waited for");
}

TEST_CASE("spawn's child dies with its parent", "[01.2][uses-01.1]") {
    auto* pid = shared_value<std::atomic<pid_t>>();
    UniqueFd pidfd;
    {
        const Inside parent(0, [&] {
            static const Child child = spawn({}, wait_for_signal);  // lives as long as the process
            pid->store(child.pid());
        });
        pidfd = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid->load(), 0))};
        ::kill(parent.pid(), SIGKILL);
    }
    ::munmap(pid, sizeof *pid);
    step("the parent is killed with SIGKILL");
    const bool ended = ends_soon(pidfd.ref().number());
    fact("outlives_parent", !ended);
    TENON_EXPECT(ended, "the child ends too", "it still runs");
}

TEST_CASE("spawn's child outlives its parent when it is meant to", "[01.2][uses-01.1]") {
    auto* pid = shared_value<std::atomic<pid_t>>();
    check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");  // orphans come to this test
    {
        const Inside parent(0, [&] {
            static const Child child = spawn({.outlives_parent = true}, wait_for_signal);
            pid->store(child.pid());
        });
        ::kill(parent.pid(), SIGKILL);
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    step("the parent is killed; the child was spawned with outlives_parent");
    int status = 0;
    const bool lives = ::waitpid(pid->load(), &status, WNOHANG) == 0;
    if (lives) {
        ::kill(pid->load(), SIGKILL);
        ::waitpid(pid->load(), &status, 0);
    }
    ::munmap(pid, sizeof *pid);
    TENON_EXPECT(lives, "the child lives on", "it ended with its parent");
}

TEST_CASE("spawn leaves one end of the socket on each side", "[01.2][uses-01.1]") {
    const std::size_t before = count_sockets("self");
    Child child = spawn({}, wait_for_signal);
    const std::size_t ours = count_sockets("self") - before;
    // The child closes its copy early in its life: seen at the latest when it waits for a signal.
    while (status_field(child.pid(), "State").front() != 'S') ::sched_yield();
    const std::size_t theirs = count_sockets(std::to_string(child.pid())) - before;
    step(fmt::format("after spawn: {} new socket here, {} in the child", ours, theirs));
    fact("child_holds_both_ends", theirs > 1);
    fact("parent_holds_both_ends", ours > 1);
    TENON_EXPECT(ours == 1, "one end here", fmt::format("{} ends", ours));
    TENON_EXPECT(theirs == 1, "one end in the child", fmt::format("{} ends", theirs));
}

TEST_CASE("Child, destroyed or detached", "[uses-01.2][uses-01.1]") {
    UniqueFd pidfd;
    SECTION("a destroyed one is killed and reaped") {
        const Child child = spawn({}, wait_for_signal);
        pidfd = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0))};
    }
    SECTION("a detached one lives on") {
        Child child = spawn({.outlives_parent = true}, wait_for_signal);
        pidfd = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0))};
        child.detach();
        pollfd watched{pidfd.ref().number(), POLLIN, 0};
        CHECK(::poll(&watched, 1, 0) == 0);
        ::kill(child.pid(), SIGKILL);
        ::waitpid(child.pid(), nullptr, 0);
    }
    CHECK(ends_soon(pidfd.ref().number()));
}

TEST_CASE("spawn maps root in a new user namespace", "[uses-01.2][uses-01.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    CloneArgs args{.create = {Namespace::User}};
    args.prepare = [](const Child& child) { write_root_mapping(child.pid()); };
    Child child =
        spawn(args, [](SyncSocket&) { return ::getuid() == 0 && ::getgid() == 0 ? 0 : 1; });
    CHECK(child.wait().shell_code() == 0);
}

}  // namespace tenon::test
