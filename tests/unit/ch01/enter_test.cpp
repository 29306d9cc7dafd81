// 01.3: entering existing namespaces, in an order that the kernel permits.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/namespaces.hpp"

namespace tenon::test {

namespace {

constexpr uid_t nobody = 65534;

std::vector<JoinNamespace> targets_from(const std::vector<OpenNamespace>& opened) {
    std::vector<JoinNamespace> targets;
    for (const OpenNamespace& ns : opened) targets.push_back({ns.kind, ns.fd});
    return targets;
}

// `kind inode` of the calling process, for the kinds named.
std::string own_inodes(const std::vector<std::string>& files) {
    std::string text;
    for (const std::string& file : files) {
        text += fmt::format("{} {} ", file, namespace_inode("self", file));
    }
    return text;
}

// What enter_namespaces did in a process of its own: the inodes afterwards, or the error.
std::string entered(pid_t target, const std::vector<std::string>& files,
                    const std::function<void()>& first = {}) {
    return run_inside(0, [&]() -> std::string {
        if (first) first();
        const std::vector<OpenNamespace> opened = open_namespaces(target);
        try {
            enter_namespaces(targets_from(opened));
        } catch (const SysError& error) {
            return error.what();
        }
        return own_inodes(files);
    });
}

std::string inodes_of(pid_t pid, const std::vector<std::string>& files) {
    std::string text;
    for (const std::string& file : files) {
        text += fmt::format("{} {} ", file, namespace_inode(pid, file));
    }
    return text;
}

// Readable in /proc by others of the same user, although the ids were changed. proc(5), prctl(2)
void become_nobody() {
    check(::setresgid(nobody, nobody, nobody), "setresgid");
    check(::setresuid(nobody, nobody, nobody), "setresuid");
    check(::prctl(PR_SET_DUMPABLE, 1), "prctl");
}

}  // namespace

TEST_CASE("enter_namespaces joins those of a running process", "[01.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::vector<std::string> files{"mnt", "uts", "ipc", "net"};
    const Inside target(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET, [] {});
    const std::string wanted = inodes_of(target.pid(), files);
    const std::string got = entered(target.pid(), files);
    step("a process has mnt, uts, ipc and net namespaces of its own");
    step("another one calls enter_namespaces with their files");
    fact("joined", got == wanted);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("enter_namespaces refuses a descriptor of another kind", "[01.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Inside target(CLONE_NEWUTS, [] {});
    const std::string got = run_inside(0, [&]() -> std::string {
        const std::vector<OpenNamespace> opened = open_namespaces(target.pid());
        const std::vector<JoinNamespace> lie{{Namespace::Ipc, opened.at(0).fd}};
        try {
            enter_namespaces(lie);
        } catch (const SysError& error) {
            return errno_name(error.error());
        }
        return "accepted";
    });
    step("a uts namespace's file is passed off as an ipc namespace");
    fact("kind_checked", got == "EINVAL");
    TENON_EXPECT(got == "EINVAL", "setns: EINVAL", got);
}

TEST_CASE("enter_namespaces with a pid namespace sends the next child there", "[01.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Inside target(CLONE_NEWPID, [] {});
    const auto wanted = namespace_inode(target.pid(), "pid");
    const std::string got = entered(target.pid(), {"pid_for_children"});
    step("enter_namespaces with the pid namespace of a running process");
    TENON_EXPECT(got == fmt::format("pid_for_children {} ", wanted),
                 fmt::format("children go to {}", wanted), got);
}

TEST_CASE("enter_namespaces as root drops its rights last", "[01.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    // The uts namespace belongs to our own user namespace: from inside the target's there is no
    // right over it any more.
    const Inside target(CLONE_NEWUTS,
                        [] { check(::unshare(CLONE_NEWUSER), "unshare", "CLONE_NEWUSER"); });
    const std::vector<std::string> files{"uts", "user"};
    const std::string wanted = inodes_of(target.pid(), files);
    const std::string got = entered(target.pid(), files);
    step("a process made a uts namespace first and a user namespace afterwards");
    step("root enters both");
    fact("user_first_as_root", got.find("EPERM") != std::string::npos);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("enter_namespaces as an ordinary user gains its rights first", "[01.3]") {
    TENON_NEED(is_real_root(), "needs real root, to become an ordinary user");
    const Inside target(0, [] {
        become_nobody();
        check(::unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC), "unshare", "as nobody");
    });
    const std::vector<std::string> files{"uts", "ipc", "user"};
    const std::string wanted = inodes_of(target.pid(), files);
    const std::string got = entered(target.pid(), files, become_nobody);
    step("uid 65534 has a container with user, uts and ipc namespaces");
    step("another process of uid 65534, without any capability, enters them");
    fact("user_last_as_user", got.find("EPERM") != std::string::npos);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("open_namespaces gives those that differ, and refuses a dead pid") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    pid_t pid = 0;
    {
        const Inside target(CLONE_NEWUTS | CLONE_NEWIPC, [] {});
        pid = target.pid();
        const std::vector<OpenNamespace> opened = open_namespaces(pid);
        REQUIRE(opened.size() == 2);
        CHECK(opened[0].kind == Namespace::Uts);
        CHECK(opened[1].kind == Namespace::Ipc);
    }
    try {
        open_namespaces(pid);
        FAIL("a dead pid was accepted");
    } catch (const SysError& error) {
        CHECK(error.error() == ESRCH);
        CHECK(error.subject() == fmt::format("process {}", pid));
    }
}

TEST_CASE("spawn with join makes the child inside", "[uses-01.1][uses-01.2][uses-01.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Inside target(CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNET, [] {});
    const std::vector<OpenNamespace> opened = open_namespaces(target.pid());
    CloneArgs args;
    args.join = targets_from(opened);
    args.create = {Namespace::Ipc};
    Child child =
        spawn(args, [](SyncSocket&) { return static_cast<int>(::getpid() == 1 ? 1 : 42); });
    for (const char* file : {"uts", "net"}) {
        CHECK(namespace_inode("self", file) != namespace_inode(target.pid(), file));
    }
    CHECK(child.wait().shell_code() == 42);
    // Before exec nobody may look into it: that is how it is kept from the target's processes.
    Child waiting = spawn(args, [](SyncSocket&) -> int {
        exec({{"/bin/sleep", "1000"}, current_environment()});
    });
    waiting.wait_for_exec();
    for (const char* file : {"uts", "net", "pid"}) {
        CHECK(namespace_inode(waiting.pid(), file) == namespace_inode(target.pid(), file));
    }
    CHECK(namespace_inode(waiting.pid(), "ipc") != namespace_inode("self", "ipc"));
    CHECK(namespace_inode(waiting.pid(), "ipc") != namespace_inode(target.pid(), "ipc"));
}

}  // namespace tenon::test
