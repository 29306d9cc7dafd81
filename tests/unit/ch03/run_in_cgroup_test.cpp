// run_in_cgroup: a group around a container's life, however that ends.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "cgroup_view.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/cgroup_options.hpp"
#include "tenon/program.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

CgroupOptions options_below(const TestCgroup& above) {
    CgroupOptions options;
    options.path = above.proc_name() + "/one";
    return options;
}

bool no_group_is_left(const TestCgroup& above) {
    const auto entries = fs::directory_iterator(above.path());
    return std::none_of(begin(entries), end(entries),
                        [](const fs::directory_entry& entry) { return entry.is_directory(); });
}

int run_forever(SyncSocket& to_parent) {
    to_parent.close();
    while (true) ::pause();
}

#define USES_ALL "[uses-03.1][uses-03.2][uses-03.3][uses-03.4][uses-03.5][uses-01.1][uses-01.2]"

}  // namespace

TEST_CASE("run_in_cgroup makes no group when nothing asks for one", "[uses-01.1][uses-01.2]") {
    const CgroupOptions options;
    REQUIRE_FALSE(options.asks_for_group());
    const std::string before = cgroup_of("self");
    CHECK(run_in_cgroup({}, options,
                        [&](SyncSocket&) { return cgroup_of("self") == before ? 7 : 8; }) == 7);
}

TEST_CASE("run_in_cgroup runs in the group, and removes it", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const CgroupOptions options = options_below(above);
    const std::string wanted = above.proc_name() + "/one";
    CHECK(run_in_cgroup({}, options,
                        [&](SyncSocket&) { return cgroup_of("self") == wanted ? 42 : 1; }) == 42);
    CHECK(no_group_is_left(above));
}

TEST_CASE("run_in_cgroup finds a name of its own", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    CgroupOptions options;
    options.stats = true;
    const Forked process = run_forked([&] {
        const std::string prefix = fmt::format("tenon-{}-", ::getpid());
        return run_in_cgroup({}, options, [&](SyncSocket&) {
            const fs::path group = cgroup_of("self");
            say(group.string() + "\n");
            return group.filename().string().starts_with(prefix) ? 3 : 4;
        });
    });
    CHECK(process.status == ExitStatus::exited(3));
    const fs::path group = process.out.substr(0, process.out.find('\n'));
    CHECK(group.parent_path() == fs::path{cgroup_of("self")}.parent_path());
    // Removed here as well: it lies in no group of the test's own.
    CHECK(::rmdir((test_cgroups() / group.filename()).c_str()) != 0);
    CHECK(process.err.find("cpu ") != std::string::npos);  // --stats
}

TEST_CASE("run_in_cgroup removes the group when the child cannot start", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    CHECK_THROWS_AS(
        run_in_cgroup({}, options_below(above),
                      [](SyncSocket&) -> int { throw std::runtime_error("it does not start"); }),
        std::runtime_error);
    CHECK(no_group_is_left(above));
}

TEST_CASE("run_in_cgroup ends what a container left running", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Forked process = run_forked([&] {
        return run_in_cgroup({}, options_below(above), [](SyncSocket& to_parent) {
            to_parent.close();  // or the one that is left would hold it open
            if (::fork() == 0) {
                while (true) ::pause();
            }
            return 5;
        });
    });
    CHECK(process.status == ExitStatus::exited(5));
    CHECK_FALSE(is_populated_group(above.path()));
    CHECK(no_group_is_left(above));
}

TEST_CASE("run_in_cgroup ended by a signal removes the group first", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP);
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::signal(SIGINT, SIG_DFL);
        std::signal(SIGTERM, SIG_DFL);
        ::_exit(run_program("test",
                            [&] { return run_in_cgroup({}, options_below(above), run_forever); }));
    }
    int status = 0;
    bool ended = false;
    while (!ended && !is_populated_group(above.path())) {
        ::sched_yield();
        ended = ::waitpid(pid, &status, WNOHANG) == pid;
    }
    if (!ended) ::kill(pid, signal);
    if (!ended) ::waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
    CHECK(no_group_is_left(above));
}

TEST_CASE("--memory-swap is checked before a group is made") {
    for (const bool has_memory : {false, true}) {
        CgroupOptions options;
        options.memory_and_swap = 4096;
        options.stats = true;
        if (has_memory) options.limits.memory_max = 8192;
        CHECK_THROWS_AS(run_in_cgroup({}, options, run_forever), std::invalid_argument);
    }
}

TEST_CASE("an OOM kill is told, whoever asked or not", USES_ALL) {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup above;
    CgroupOptions options = options_below(above);
    options.limits.memory_max = 16U << 20;
    const Forked process = run_forked([&] {
        return run_in_cgroup({}, options, [](SyncSocket&) {
            std::vector<char> much(std::size_t{64} << 20, 'x');
            return much[random_below(much.size())] == 'x' ? 0 : 1;
        });
    });
    CHECK(process.status == ExitStatus::exited(137));
    CHECK(process.err.find("out of memory: the kernel killed 1 process of the container "
                           "(memory.max 16.0 MiB, oom_kill 1)") != std::string::npos);
    CHECK(no_group_is_left(above));
}

TEST_CASE("swap is limited with memory, asked for or not", USES_ALL) {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup above;
    TENON_NEED(fs::exists(above.path() / "memory.swap.max"), "needs a kernel that counts swap");
    const auto swap_max = [&](std::optional<std::uint64_t> both) {
        CgroupOptions options = options_below(above);
        options.limits.memory_max = 32U << 20;
        options.memory_and_swap = both;
        const Forked process = run_forked([&] {
            return run_in_cgroup({}, options, [&](SyncSocket&) {
                say(read_file(above.path() / "one/memory.swap.max"));
                return 0;
            });
        });
        return process.out;
    };
    CHECK(swap_max(std::nullopt) == "33554432\n");
    CHECK(swap_max(48U << 20) == "16777216\n");
    CHECK(swap_max(32U << 20) == "0\n");
    CHECK(swap_max(no_limit) == "max\n");
}

TEST_CASE("add_cgroup_mount shows the group inside, read-only, when there is one") {
    NamespaceOptions namespaces;
    namespaces.create = {Namespace::Cgroup, Namespace::Mount};
    CgroupOptions cgroup;
    cgroup.stats = true;
    RootfsOptions rootfs;
    rootfs.rootfs = "/root/fs";
    SECTION("a group, a cgroup namespace and a root file system") {
        add_cgroup_mount(namespaces, cgroup, rootfs);
        REQUIRE(rootfs.mounts.size() == 1);
        CHECK(rootfs.mounts[0].fstype == "cgroup2");
        CHECK(rootfs.mounts[0].target == "/sys/fs/cgroup");
        CHECK((rootfs.mounts[0].attributes.set & MOUNT_ATTR_RDONLY) != 0);
        CHECK((rootfs.mounts[0].attributes.set & MOUNT_ATTR_NOSUID) != 0);
    }
    SECTION("no group") {
        cgroup.stats = false;
        add_cgroup_mount(namespaces, cgroup, rootfs);
        CHECK(rootfs.mounts.empty());
    }
    SECTION("no cgroup namespace") {
        namespaces.create = {Namespace::Mount};
        add_cgroup_mount(namespaces, cgroup, rootfs);
        CHECK(rootfs.mounts.empty());
    }
    SECTION("no root file system") {
        rootfs.rootfs.clear();
        add_cgroup_mount(namespaces, cgroup, rootfs);
        CHECK(rootfs.mounts.empty());
    }
}

}  // namespace tenon::test
