// A listener gets to its agent, whatever the filter forbids.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <nlohmann/json.hpp>

#include "agent.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "policies.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/process.hpp"
#include "tenon/seccomp_listener.hpp"

namespace tenon::test {

namespace {

using seccomp::Filter;

const seccomp::ContainerProcess container{.oci_version = "1.3.0",
                                          .id = "box",
                                          .status = "creating",
                                          .bundle = "/bundles/box",
                                          .annotations = {{"key", "value"}},
                                          .pid = 4422,
                                          .metadata = "MKNOD=/dev/null"};

Filter notifying(const char* fallback, std::vector<oci::SeccompSyscall> rules) {
    return seccomp::compile(policy(fallback, std::move(rules)));
}

struct Launch {
    Forked child;
    std::string failure;  // what the parent was told
};

// Becomes `argv` with the filter, as a container does.
Launch launch(const Filter& filter, const Agent& agent, std::vector<std::string> argv,
              const std::string& state = seccomp::process_state(container)) {
    auto [ours, theirs] = SyncSocket::make_pair();
    Launch result;
    result.child = run_forked([&, &theirs = theirs]() -> int {
        UniqueFd connection = seccomp::connect_agent(agent.path());
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        exec({argv, {"PATH=/usr/bin:/bin", "LC_ALL=C"}},
             [&] { seccomp::install_and_notify(filter, std::move(connection), state, theirs); });
    });
    theirs.close();
    try {
        while (const auto message = ours.receive()) rethrow_failure(*message);
    } catch (const SysError& error) {
        result.failure = refusal_text(error);
    } catch (const std::exception& error) {
        result.failure = error.what();
    }
    return result;
}

}  // namespace

TEST_CASE("an agent is told who calls, gets the listener, and decides", "[08.4][uses-08.3]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    agent.serve({{SYS_mkdir, EXFULL}});
    const Launch launched =
        launch(notifying("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")}), agent,
               {"mkdir", "/nowhere/else"});
    agent.join();
    fact("no_listener", agent.listeners.empty());
    TENON_EXPECT(launched.failure.empty(), "no failure", launched.failure);
    TENON_EXPECT(agent.with_first_byte == 1, "one descriptor, with the first byte",
                 std::to_string(agent.with_first_byte));
    TENON_EXPECT(agent.ended, "the connection is closed after the message", "it stays open");
    TENON_EXPECT(launched.child.err.find("Exchange full") != std::string::npos,
                 "mkdir: Exchange full", launched.child.err);
    CHECK(agent.asked.at(SYS_mkdir) == 1);
    const auto state = nlohmann::json::parse(agent.message);
    CHECK(state == nlohmann::json::parse(R"({"ociVersion":"1.3.0","fds":["seccompFd"],"pid":4422,
        "metadata":"MKNOD=/dev/null","state":{"ociVersion":"1.3.0","id":"box","status":"creating",
        "pid":4422,"bundle":"/bundles/box","annotations":{"key":"value"}}})"));
}

TEST_CASE("an agent that is asked about everything is told first", "[08.4][uses-08.3]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    agent.serve({});
    const Launch launched = launch(notifying("SCMP_ACT_NOTIFY", {}), agent, {"echo", "hello"});
    agent.join();
    TENON_EXPECT(launched.child.out == "hello\n", "hello", launched.child.out + launched.failure);
    // No call of ours is among them: the first one is execve.
    CHECK(agent.asked.at(SYS_execve) == 1);
    CHECK(agent.asked.at(SYS_write) == 1);
    CHECK(!agent.asked.contains(SYS_sendmsg));
    CHECK(!agent.asked.contains(SYS_futex));
}

TEST_CASE("a filter that forbids to send does not stop its listener", "[08.4][uses-08.3]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    agent.serve({{SYS_mkdir, EXFULL}});
    oci::Seccomp wanted =
        policy("SCMP_ACT_ALLOW",
               {rule({"mkdir"}, "SCMP_ACT_NOTIFY"),
                rule({"sendmsg", "sendto", "sendmmsg", "clone", "clone3", "futex", "sched_yield",
                      "connect", "socket", "pidfd_getfd", "rt_sigaction", "close_range", "madvise"},
                     "SCMP_ACT_KILL_PROCESS")});
    const Launch launched = launch(seccomp::compile(wanted), agent, {"mkdir", "/nowhere/else"});
    agent.join();
    TENON_EXPECT(agent.listeners.size() == 1, "the listener arrived", launched.failure);
    TENON_EXPECT(launched.child.err.find("Exchange full") != std::string::npos,
                 "mkdir: Exchange full", launched.child.err);
}

TEST_CASE("nothing of the hand-over is left in the program", "[08.4][uses-08.3]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    agent.serve({});
    const Launch launched =
        launch(notifying("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")}), agent,
               {"sh", "-c",
                "grep -E '^(Threads|Seccomp):' /proc/$$/status; cat /proc/$$/task/*/children; "
                "ls /proc/$$/fd"});
    agent.join();
    // ls is the only child, its own descriptor for the folder is another process's.
    INFO(launched.child.out);
    CHECK(launched.child.out.find("Threads:\t1\n") == 0);
    CHECK(launched.child.out.find("Seccomp:\t2\n") != std::string::npos);
    CHECK(launched.child.out.find("\n3\n") == std::string::npos);
}

TEST_CASE("an agent that is gone is an error, and the launch ends", "[08.4][uses-08.3]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    for (const char* const fallback : {"SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY"}) {
        agent.hang_up();
        const Launch launched =
            launch(notifying(fallback, {rule({"mkdir"}, "SCMP_ACT_NOTIFY"),
                                        rule({"exit_group"}, "SCMP_ACT_NOTIFY")}),
                   agent, {"echo", "hello"},
                   seccomp::process_state(container) + std::string(1 << 20, ' '));
        agent.join();
        CHECK((launched.failure == "sendmsg the seccomp agent: EPIPE" ||
               launched.failure == "sendmsg the seccomp agent: ECONNRESET"));
        CHECK(launched.child.status == ExitStatus::exited(125));
        CHECK(launched.child.out.empty());
    }
}

TEST_CASE("a filter that is refused leaves an agent alone", "[08.4][uses-08.3]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    agent.serve({});
    Filter filter = notifying("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")});
    filter.flags = 1U << 20;
    const Launch launched = launch(filter, agent, {"echo", "hello"});
    agent.join();
    CHECK(agent.message.empty());
    CHECK(launched.child.out.find("seccomp SECCOMP_SET_MODE_FILTER: EINVAL") != std::string::npos);
}

TEST_CASE("a filter that notifies nobody needs no agent", "[08.4][uses-08.3]") {
    auto [ours, theirs] = SyncSocket::make_pair();
    const Forked child = run_forked([&, &theirs = theirs] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        seccomp::install_and_notify(
            notifying("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_ERRNO")}), {}, "", theirs);
        say(status_field(::getpid(), "Seccomp"));
        return 0;
    });
    CHECK(child.out == "2");
    const Forked without = run_forked([&, &theirs = theirs] {
        seccomp::install_and_notify(
            notifying("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")}), {}, "", theirs);
        return 0;
    });
    CHECK(without.out.find("listenerPath") != std::string::npos);
}

TEST_CASE("a process that would keep the processor for itself is refused",
          "[uses-08.3][uses-08.4]") {
    const TemporaryDirectory directory;
    Agent agent(directory.path() / "agent");
    agent.serve({});
    const Filter filter = notifying("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")});
    auto [ours, theirs] = SyncSocket::make_pair();
    const Forked child = run_forked([&, &theirs = theirs] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(::sched_getcpu(), &one);
        check(::sched_setaffinity(0, sizeof one, &one), "sched_setaffinity");
        const sched_param lowest{1};
        if (::sched_setscheduler(0, SCHED_FIFO, &lowest) != 0) {
            say("no SCHED_FIFO");
            return 0;
        }
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        seccomp::install_and_notify(filter, seccomp::connect_agent(agent.path()), "{}", theirs);
        return 0;
    });
    TENON_NEED(child.out != "no SCHED_FIFO", "needs CAP_SYS_NICE");
    TENON_EXPECT(child.out.find("SCHED_RR") != std::string::npos, "refused", child.out);
}

TEST_CASE("connect_agent says why there is nobody") {
    const TemporaryDirectory directory;
    const auto refused = [&](const std::string& name) {
        const std::string path = directory.path() / name;
        const std::string text = refusal([&] { seccomp::connect_agent(path); });
        return text.substr(text.rfind(' ') + 1);
    };
    CHECK(refused("missing") == "ENOENT");
    write_file(directory.path() / "file", "");
    CHECK(refused("file") == "ECONNREFUSED");
    { const Agent gone(directory.path() / "gone"); }
    CHECK(refused("gone") == "ECONNREFUSED");
    const UniqueFd datagrams{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory.path() / "datagrams";
    REQUIRE(path.size() < sizeof address.sun_path);
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    check(::bind(datagrams.ref().number(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof address),
          "bind");
    CHECK(refused("datagrams") == "EPROTOTYPE");
    CHECK_THROWS_AS(seccomp::connect_agent("relative"), std::invalid_argument);
    CHECK_THROWS_AS(seccomp::connect_agent("/folder/"), std::invalid_argument);
}

TEST_CASE("connect_agent reaches a path that no address has room for") {
    const TemporaryDirectory directory;
    std::filesystem::path deep = directory.path();
    for (int i = 0; i < 4; ++i) deep /= std::string(60, 'd');
    std::filesystem::create_directories(deep);
    const Agent agent(deep / "agent");
    CHECK(refusal([&] { seccomp::connect_agent(agent.path()); }) == "accepted");
}

TEST_CASE("own_pid_outside is the pid that the parent sees") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const UniqueFd proc{::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    const SharedValue<pid_t> told;
    const Inside inside(CLONE_NEWPID, [&] {
        check(::getpid() == 1 ? 0 : -1, "getpid");
        *told = seccomp::own_pid_outside(proc);
    });
    CHECK(*told == inside.pid());
    CHECK(seccomp::own_pid_outside(proc) == ::getpid());
    const UniqueFd other{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    CHECK_THROWS_AS(seccomp::own_pid_outside(other), SysError);
}

}  // namespace tenon::test
