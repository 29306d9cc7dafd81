// 03.3: a child that was never anywhere else.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

int wait_for_signal(SyncSocket&) {
    while (true) ::pause();
}

// What a child sees first of all: its own line of /proc/self/cgroup.
class FirstSight {
  public:
    [[nodiscard]] ChildMain child_main() const {
        return [this](SyncSocket&) {
            const std::string group = cgroup_of("self");
            std::copy_n(group.begin(), std::min(group.size(), text_->size() - 1), text_->begin());
            return 0;
        };
    }
    [[nodiscard]] std::string text() const { return text_->data(); }

  private:
    SharedValue<std::array<char, 512>> text_;
};

// While it lives, this process yields to its child: pinned to one CPU with it, and idle.
class Slowed {
  public:
    explicit Slowed(pid_t child) {
        ::sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t one{};
        CPU_ZERO(&one);
        CPU_SET(::sched_getcpu(), &one);
        ::sched_setaffinity(0, sizeof one, &one);
        ::sched_setaffinity(child, sizeof one, &one);
        const sched_param none{};
        ::sched_setscheduler(0, SCHED_IDLE, &none);
    }
    Slowed(const Slowed&) = delete;
    Slowed& operator=(const Slowed&) = delete;
    ~Slowed() {
        const sched_param none{};
        ::sched_setscheduler(0, SCHED_OTHER, &none);
        ::sched_setaffinity(0, sizeof before_, &before_);
    }

  private:
    cpu_set_t before_{};
};

}  // namespace

TEST_CASE("attach_process writes the pid into cgroup.procs", "[03.3]") {
    const TemporaryDirectory directory;
    write_file(directory.path() / "cgroup.procs", "");
    write_file(directory.path() / "cgroup.threads", "");
    const UniqueFd group = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);
    const auto pid = static_cast<pid_t>(2 + random_below(4'000'000));
    attach_process(group, pid);
    const std::string got = read_file(directory.path() / "cgroup.procs");
    step(fmt::format("attach_process(group, {}); cgroup.procs: \"{}\"", pid, got));
    const bool right = got == std::to_string(pid) || got == std::to_string(pid) + "\n";
    TENON_EXPECT(right, std::to_string(pid), "\"" + got + "\"");
}

TEST_CASE("attach_process moves a process", "[03.3]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup from;
    const TestCgroup to;
    const Member member(from.path());
    attach_process(to.fd(), member.pid());
    const std::string got = cgroup_of(member.pid());
    step("a process sits in one group; attach_process moves it into another");
    step("its /proc/PID/cgroup: " + got);
    TENON_EXPECT(got == to.proc_name(), to.proc_name(), got);
}

TEST_CASE("attach_process says who is not there any more", "[03.3]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const pid_t gone = ::fork();
    if (gone == 0) ::_exit(0);
    ::waitpid(gone, nullptr, 0);
    const std::string got = refusal([&] { attach_process(group.fd(), gone); });
    const std::string wanted = fmt::format("write cgroup.procs <- {}: ESRCH", gone);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("spawn_in_cgroup's child is in the group before it goes on",
          "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    std::string waiting;
    CloneArgs args;
    args.prepare = [&](const Child& child) { waiting = cgroup_of(child.pid()); };
    const Child child = spawn_in_cgroup(group.fd(), args, wait_for_signal);
    const std::string after = cgroup_of(child.pid());
    step("while the child waits for its parent, it is in " + waiting);
    step("afterwards it is in " + after);
    fact("never_attached", after != group.proc_name());
    fact("attached_late", waiting != group.proc_name() && after == group.proc_name());
    TENON_EXPECT(after == group.proc_name(), "the child is in " + group.proc_name(), after);
    TENON_EXPECT(waiting == group.proc_name(), "and it was when it still waited",
                 "it was in " + waiting);
}

TEST_CASE("spawn_in_cgroup's child finds itself in the group", "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const FirstSight sight;
    Child child = spawn_in_cgroup(group.fd(), {}, sight.child_main());
    const int code = child.wait().shell_code();
    step("the child reads /proc/self/cgroup first of all: " + sight.text());
    TENON_EXPECT(sight.text() == group.proc_name(), group.proc_name(), sight.text());
    TENON_EXPECT(code == 0, "its result is its exit code, 0", fmt::format("{}", code));
}

TEST_CASE("spawn_in_cgroup leaves its caller where it was", "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const std::string before = cgroup_of("self");
    const auto own_namespace = namespace_inode("self", "cgroup");
    const Child child =
        spawn_in_cgroup(group.fd(), {.create = {Namespace::Cgroup}}, wait_for_signal);
    const std::string after = cgroup_of("self");
    step("spawn_in_cgroup with a new cgroup namespace; then look at the parent");
    TENON_EXPECT(before == after, "the parent is in " + before, after);
    TENON_EXPECT(own_namespace == namespace_inode("self", "cgroup"),
                 "and in its own cgroup namespace", "in another");
}

TEST_CASE("spawn_in_cgroup's cgroup namespace begins at the group",
          "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const FirstSight sight;
    CloneArgs args{.create = {Namespace::Cgroup, Namespace::Uts}};
    std::string outside;
    args.prepare = [&](const Child& child) { outside = cgroup_of(child.pid()); };
    Child child = spawn_in_cgroup(group.fd(), args, sight.child_main());
    child.wait();
    const std::string inside = sight.text();
    step(fmt::format("from outside the child is in {}, from inside in {}", outside, inside));
    TENON_EXPECT(outside == group.proc_name(), "from outside: " + group.proc_name(), outside);
    TENON_EXPECT(inside == "/", "from inside: /", inside);
}

TEST_CASE("spawn_in_cgroup makes the other namespaces too", "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    int prepared = 0;
    CloneArgs args{.create = {Namespace::Uts, Namespace::Pid, Namespace::Cgroup}};
    args.prepare = [&](const Child&) { ++prepared; };
    const Child child = spawn_in_cgroup(group.fd(), args, wait_for_signal);
    step("spawn_in_cgroup with new uts, pid and cgroup namespaces, and a prepare step");
    TENON_EXPECT(namespace_inode(child.pid(), "uts") != namespace_inode("self", "uts"),
                 "a uts namespace of its own", "the parent's");
    TENON_EXPECT(status_field(child.pid(), "NSpid").ends_with("\t1"), "pid 1 inside",
                 status_field(child.pid(), "NSpid"));
    TENON_EXPECT(prepared == 1, "prepare runs once", fmt::format("{} times", prepared));
}

TEST_CASE("spawn_in_cgroup passes a refusal on", "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const fs::path below = group.make("gone");
    const UniqueFd gone = sys::openat(FdRef::working_directory(), below, O_RDONLY);
    fs::remove(below);
    const std::string got = refusal([&] { spawn_in_cgroup(gone, {}, wait_for_signal); });
    step("the group was removed; spawn_in_cgroup: " + got);
    fact("fell_back", !got.starts_with("clone3"));
    // ENOENT, or ENODEV when it goes between the kernel's two looks at it.
    TENON_EXPECT(got == "clone3: ENOENT" || got == "clone3: ENODEV", "clone3: ENOENT", got);
}

TEST_CASE("spawn_in_cgroup's child is born in the group, not moved",
          "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_controller("pids").empty(), missing_controller("pids"));
    const TestCgroup group;
    group.write("pids.max", "1");
    const Member member(group.path());
    const std::string got = refusal([&] { spawn_in_cgroup(group.fd(), {}, wait_for_signal); });
    step("pids.max is 1, and there is one process: a fork is refused, a move would not be");
    step("spawn_in_cgroup: " + got);
    fact("moved_not_born", got == "accepted");
    TENON_EXPECT(got == "clone3: EAGAIN", "clone3: EAGAIN", got);
}

TEST_CASE("a group that passes controllers on takes no processes", "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup group;
    const TestCgroup other;
    const Member member(other.path());
    group.write("cgroup.subtree_control", "+memory");
    const std::string moved = refusal([&] { attach_process(group.fd(), member.pid()); });
    const std::string born = refusal([&] { spawn_in_cgroup(group.fd(), {}, wait_for_signal); });
    const std::string wanted = fmt::format("write cgroup.procs <- {}: EBUSY", member.pid());
    step("cgroup.subtree_control of the group: memory");
    TENON_EXPECT(moved == wanted, wanted, moved);
    TENON_EXPECT(born == "clone3: EBUSY", "clone3: EBUSY", born);
}

TEST_CASE("spawn_and_attach attaches while the child waits", "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const FirstSight sight;
    std::optional<Slowed> slowed;
    CloneArgs args;
    args.prepare = [&](const Child& child) { slowed.emplace(child.pid()); };
    Child child = spawn_and_attach(group.fd(), args, sight.child_main());
    slowed.reset();
    child.wait();
    step("the parent is slow, the child reads /proc/self/cgroup first of all: " + sight.text());
    fact("fallback_late", sight.text() != group.proc_name());
    TENON_EXPECT(sight.text() == group.proc_name(), group.proc_name(), sight.text());
}

TEST_CASE("spawn_and_attach's cgroup namespace begins at the group",
          "[03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const FirstSight sight;
    bool prepared = false;
    CloneArgs args{.create = {Namespace::Cgroup}};
    args.prepare = [&](const Child&) { prepared = true; };
    Child child = spawn_and_attach(group.fd(), args, sight.child_main());
    child.wait();
    step("the child's own view of its group: " + sight.text());
    fact("namespace_too_early", sight.text() != "/");
    TENON_EXPECT(sight.text() == "/", "/", sight.text());
    TENON_EXPECT(prepared, "the caller's prepare ran", "it did not");
}

// ---- what is given ---------------------------------------------------------------------------

TEST_CASE("a cgroup namespace that is joined is joined in the group",
          "[uses-03.3][uses-01.1][uses-01.2][uses-01.3]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    const Inside target(CLONE_NEWCGROUP, [] {});
    const std::string file = fmt::format("/proc/{}/ns/cgroup", target.pid());
    const UniqueFd joined = sys::openat(FdRef::working_directory(), file, O_RDONLY);
    CloneArgs args;
    args.join = {{.kind = Namespace::Cgroup, .fd = joined}};
    SharedValue<std::uint64_t> inode;
    Child child = spawn_in_cgroup(group.fd(), args, [&](SyncSocket&) {
        *inode = namespace_inode("self", "cgroup");
        return cgroup_of("self").empty() ? 1 : 0;
    });
    CHECK(child.wait().success());
    CHECK(*inode == namespace_inode(target.pid(), "cgroup"));
}

}  // namespace tenon::test
