// syscalls.hpp, first half: processes and namespaces.
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "descriptors.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/process.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

[[noreturn]] void wait_for_signal() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) ::pause();
}

// A child that is there until it is killed.
sys::CloneResult clone_waiting(std::uint64_t flags = 0) {
    sys::CloneResult child = sys::clone3({.flags = flags});
    if (child.pid == 0) wait_for_signal();
    return child;
}

ExitStatus kill_and_wait(const sys::CloneResult& child) {
    sys::pidfd_send_signal(child.pidfd, SIGKILL);
    return ExitStatus::from(sys::waitid(child.pidfd));
}

// A pid that was a process's and is nobody's.
pid_t dead_pid() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
    return pid;
}

int without_capabilities(const std::function<int()>& body) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
    check(::syscall(SYS_capset, &header, none.data()), "capset");
    return body();
}

}  // namespace

TEST_CASE("clone3 gives the parent a pid and its pidfd, the child neither") {
    const sys::CloneResult child = sys::clone3({});
    if (child.pid == 0) ::_exit(child.pidfd.valid() ? 1 : 42);
    CHECK(child.pid > 0);
    REQUIRE(child.pidfd.valid());
    CHECK(is_cloexec(child.pidfd));
    const std::string info =
        read_file("/proc/self/fdinfo/" + std::to_string(child.pidfd.ref().number()));
    CHECK(info.find("\nPid:\t" + std::to_string(child.pid) + "\n") != std::string::npos);
    CHECK(ExitStatus::from(sys::waitid(child.pidfd)) == ExitStatus::exited(42));
}

TEST_CASE("clone3 makes the namespaces it is asked for") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const sys::CloneResult child = clone_waiting(CLONE_NEWUTS | CLONE_NEWIPC);
    CHECK(namespace_inode(child.pid, "uts") != namespace_inode("self", "uts"));
    CHECK(namespace_inode(child.pid, "ipc") != namespace_inode("self", "ipc"));
    CHECK(namespace_inode(child.pid, "mnt") == namespace_inode("self", "mnt"));
    CHECK(kill_and_wait(child) == ExitStatus::signaled(SIGKILL));
}

TEST_CASE("clone3 with CLONE_PARENT makes a sibling") {
    const Forked maker = run_forked([] {
        const sys::CloneResult sibling = sys::clone3({.flags = CLONE_PARENT});
        if (sibling.pid == 0) ::_exit(9);
        say(std::to_string(sibling.pid));
        return 0;
    });
    REQUIRE(maker.status.success());
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(std::stoi(maker.out)), &info, WEXITED) == 0);
    CHECK(info.si_status == 9);
}

TEST_CASE("clone3 refused leaves no descriptor") {
    const auto before = open_descriptors();
    CHECK(refusal([] { sys::clone3({.flags = CLONE_FS | CLONE_NEWNS}); }) == "clone3: EINVAL");
    const UniqueFd no_cgroup = sys::openat(FdRef::working_directory(), "/dev/null", O_RDONLY);
    CHECK(refusal([&] { sys::clone3({.into_cgroup = no_cgroup.ref()}); }) == "clone3: EBADF");
    CHECK(open_descriptors().size() == before.size() + 1);
}

TEST_CASE("setns joins, and names its subject when refused") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Inside target(CLONE_NEWUTS, [] {});
    const std::string file = "/proc/" + std::to_string(target.pid()) + "/ns/uts";
    const std::string joined = run_inside(0, [&] {
        sys::setns(sys::openat(FdRef::working_directory(), file, O_RDONLY), CLONE_NEWUTS, "uts");
        return std::to_string(namespace_inode("self", "uts"));
    });
    CHECK(joined == std::to_string(namespace_inode(target.pid(), "uts")));
    const UniqueFd uts = sys::openat(FdRef::working_directory(), file, O_RDONLY);
    CHECK(refusal([&] { sys::setns(uts, CLONE_NEWIPC, "their ipc"); }) ==
          "setns their ipc: EINVAL");
}

TEST_CASE("unshare leaves a namespace, and refuses an unknown flag") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string inode = run_inside(0, [] {
        sys::unshare(CLONE_NEWUTS);
        return std::to_string(namespace_inode("self", "uts"));
    });
    CHECK(inode != std::to_string(namespace_inode("self", "uts")));
    CHECK(refusal([] { sys::unshare(1); }) == "unshare: EINVAL");
}

TEST_CASE("pidfd_open is close-on-exec and says whose process is gone") {
    CHECK(is_cloexec(sys::pidfd_open(::getpid())));
    const pid_t gone = dead_pid();
    CHECK(refusal([&] { sys::pidfd_open(gone); }) ==
          "pidfd_open process " + std::to_string(gone) + ": ESRCH");
}

TEST_CASE("pidfd_send_signal sends, and refuses a dead process and no signal") {
    const sys::CloneResult child = clone_waiting();
    CHECK(refusal([&] { sys::pidfd_send_signal(child.pidfd, 12345); }) ==
          "pidfd_send_signal: EINVAL");
    sys::pidfd_send_signal(child.pidfd, SIGUSR1);
    CHECK(ExitStatus::from(sys::waitid(child.pidfd)) == ExitStatus::signaled(SIGUSR1));
    CHECK(refusal([&] { sys::pidfd_send_signal(child.pidfd, 0); }) == "pidfd_send_signal: ESRCH");
}

TEST_CASE("waitid reaps once") {
    const sys::CloneResult child = sys::clone3({});
    if (child.pid == 0) ::_exit(0);
    CHECK(sys::waitid(child.pidfd).si_pid == child.pid);
    CHECK(refusal([&] { sys::waitid(child.pidfd); }) == "waitid: ECHILD");
    CHECK(refusal([] { sys::waitid(sys::pidfd_open(::getpid())); }) == "waitid: ECHILD");
}

namespace {

volatile std::sig_atomic_t signals_seen = 0;

// The child ends only after its parent, asleep in waitid, has been woken by a signal.
int wait_through_a_signal() {
    const Ends handled = make_test_pipe();
    static int told = -1;
    told = handled.second.ref().number();
    struct sigaction action {};
    action.sa_handler = [](int) {
        signals_seen = signals_seen + 1;
        [[maybe_unused]] const long written = ::write(told, "!", 1);
    };
    ::sigaction(SIGUSR1, &action, nullptr);  // without SA_RESTART: waitid will say EINTR
    const pid_t parent = ::getpid();
    const sys::CloneResult child = sys::clone3({});
    if (child.pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (status_field(parent, "State").front() != 'S') ::sched_yield();
        ::kill(parent, SIGUSR1);
        char byte = 0;
        ::_exit(::read(handled.first.ref().number(), &byte, 1) == 1 ? 7 : 8);
    }
    const ExitStatus status = ExitStatus::from(sys::waitid(child.pidfd));
    return signals_seen == 1 ? status.shell_code() : 9;
}

}  // namespace

TEST_CASE("waitid goes on waiting after a signal handler ran") {
    const Forked process = run_forked(wait_through_a_signal);
    CHECK(process.out.empty());
    CHECK(process.status == ExitStatus::exited(7));
}

TEST_CASE("sethostname and setdomainname set, and refuse 65 bytes with the name") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string name = random_name(64);
    const std::string names = run_inside(CLONE_NEWUTS, [&] {
        sys::sethostname(name);
        sys::setdomainname("a" + name.substr(0, 30));
        utsname now{};
        ::uname(&now);
        return std::string{now.nodename} + " " + now.domainname;
    });
    CHECK(names == name + " a" + name.substr(0, 30));
    const std::string refused = run_inside(CLONE_NEWUTS, [&] {
        return refusal([&] { sys::sethostname(name + "x"); }) + ", " +
               refusal([&] { sys::setdomainname(name + "y"); });
    });
    CHECK(refused == "sethostname " + name + "x: EINVAL, setdomainname " + name + "y: EINVAL");
}

TEST_CASE("set_parent_death_signal asks the kernel, which refuses what is no signal") {
    const Forked process = run_forked([] {
        sys::set_parent_death_signal(SIGUSR2);
        int now = 0;
        ::prctl(PR_GET_PDEATHSIG, &now);
        say(refusal([] { sys::set_parent_death_signal(99); }));
        return now;
    });
    CHECK(process.status == ExitStatus::exited(SIGUSR2));
    CHECK(process.out == "prctl PR_SET_PDEATHSIG: EINVAL");
}

TEST_CASE("has_effective_capability agrees with CapEff") {
    const auto agrees = [] {
        const std::uint64_t effective =
            std::stoull(status_field(::getpid(), "CapEff"), nullptr, 16);
        for (int capability = 0; capability < 64; ++capability) {
            const bool wanted = (effective >> capability & 1U) != 0;
            if (sys::has_effective_capability(capability) != wanted) return 1 + capability;
        }
        return sys::has_effective_capability(64) || sys::has_effective_capability(1000) ? 100 : 0;
    };
    CHECK(agrees() == 0);
    const Forked dropped = run_forked([&] { return without_capabilities(agrees); });
    CHECK(dropped.status == ExitStatus::exited(0));
    CHECK(dropped.out.empty());
}

TEST_CASE("execve replaces the process with exactly the given arguments and environment") {
    const Forked process = run_forked([]() -> int {
        std::string shell = "sh", option = "-c", script = "echo $0 $1 $NAME $HOME; exit 42",
                    zero = "zero", one = "one", variable = "NAME=value";
        char* const argv[] = {shell.data(), option.data(), script.data(),
                              zero.data(),  one.data(),    nullptr};
        char* const envp[] = {variable.data(), nullptr};
        sys::execve("/bin/sh", argv, envp);
    });
    CHECK(process.out == "zero one value\n");
    CHECK(process.status == ExitStatus::exited(42));
    char* const none[] = {nullptr};
    CHECK(refusal([&] { sys::execve("/nowhere/x", none, none); }) == "execve /nowhere/x: ENOENT");
    CHECK(refusal([&] { sys::execve("/", none, none); }) == "execve /: EACCES");
}

TEST_CASE("close_range_cloexec marks every descriptor from the first on, and no other") {
    const Forked process = run_forked([] {
        for (const int number : {10, 11, 12, 200}) ::dup2(STDERR_FILENO, number);
        sys::close_range_cloexec(11);
        const bool right = !is_cloexec(10) && is_cloexec(11) && is_cloexec(12) && is_cloexec(200);
        return right && !is_cloexec(STDOUT_FILENO) ? 0 : 1;
    });
    CHECK(process.status == ExitStatus::exited(0));
}

}  // namespace tenon::test
