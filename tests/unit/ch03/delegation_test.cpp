// Whose part of the tree is divided: a group that systemd gave away, marked by an attribute, or the
// place beside our own.
#include <fmt/format.h>
#include <sched.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "cgroup_view.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/cgroup_options.hpp"
#include "tenon/error.hpp"
#include "tenon/program.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

#define USES_ALL "[uses-03.1][uses-03.2][uses-03.3][uses-03.4][uses-03.5][uses-01.1][uses-01.2]"

void mark(const fs::path& group, const char* attribute, std::string_view value) {
    check(::setxattr(group.c_str(), attribute, value.data(), value.size(), 0), "setxattr",
          attribute);
}

// trusted.* is only for the machine's root.
bool may_mark(const TestCgroup& group, const char* attribute) {
    return ::setxattr(group.path().c_str(), attribute, "0", 1, 0) == 0;
}

// The hierarchy as it looks to somebody in the group `own`.
CgroupHierarchy seen_by(const std::string& own) {
    CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    hierarchy.own_group = own;
    return hierarchy;
}

std::set<std::string> groups_in(const fs::path& group) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(group)) {
        if (entry.is_directory()) names.insert(entry.path().filename());
    }
    return names;
}

// A program that moved itself into `group`, and then runs a container that tells its own group.
Forked launch_from(const fs::path& group, const CgroupOptions& options) {
    return run_forked([&] {
        write_to(group / "cgroup.procs", "0");
        return run_program("test", [&] {
            return run_in_cgroup({}, options, [](SyncSocket&) {
                say(cgroup_of("self"));
                return 3;
            });
        });
    });
}

CgroupOptions any_group() {
    CgroupOptions options;
    options.stats = true;
    return options;
}

}  // namespace

TEST_CASE("delegated_group is our own when systemd has marked it") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const std::string attribute = GENERATE("user.delegate", "trusted.delegate");
    const TestCgroup above;
    TENON_NEED(may_mark(above, attribute.c_str()), "lab VM: needs root to mark a group");
    const std::string parent = fs::path{above.name()}.parent_path();
    CHECK(delegated_group(seen_by(above.name())) == parent);  // marked with 0
    mark(above.path(), attribute.c_str(), "1");
    CHECK(delegated_group(seen_by(above.name())) == above.name());
    // The mark is not inherited: whoever sits below finds the delegated group as its parent.
    above.make("processes/deep");
    CHECK(delegated_group(seen_by(above.name() + "/processes")) == above.name());
    CHECK(delegated_group(seen_by(above.name() + "/processes/deep")) ==
          above.name() + "/processes");
}

TEST_CASE("a mark that is not 1 is none") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const std::string parent = fs::path{above.name()}.parent_path();
    for (const std::string& value : {std::string{}, std::string{"0"}, std::string{"11"},
                                     std::string{"yes"}, std::string("1\0", 2), random_name(256)}) {
        CAPTURE(value);
        mark(above.path(), "user.delegate", value);
        CHECK(delegated_group(seen_by(above.name())) == parent);
    }
}

TEST_CASE("vacate moves all processes of a delegated group below it", "[uses-03.3]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    mark(above.path(), "user.delegate", "1");
    if (random_below(2) == 1) above.make("processes");
    std::vector<std::unique_ptr<Member>> members;
    std::set<pid_t> pids;
    for (std::uint64_t left = 1 + random_below(5); left > 0; --left) {
        members.push_back(std::make_unique<Member>(above.path()));
        pids.insert(members.back()->pid());
    }
    const Member elsewhere(above.make("elsewhere"));
    vacate(seen_by(above.name()), above.name());
    CHECK(processes_in(above.path()).empty());
    CHECK(processes_in(above.path() / "processes") == pids);
    CHECK(cgroup_of(elsewhere.pid()) == above.proc_name() + "/elsewhere");
    vacate(seen_by(above.name()), above.name());  // nobody to move: no error
    CHECK(processes_in(above.path() / "processes") == pids);
}

TEST_CASE("vacate leaves every other group alone", "[uses-03.3]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Member member(above.path());
    const auto is_untouched = [&] {
        return processes_in(above.path()) == std::set<pid_t>{member.pid()} &&
               groups_in(above.path()).empty();
    };
    vacate(seen_by(above.name()), above.name());  // our own, but nobody gave it to us
    CHECK(is_untouched());
    mark(above.path(), "user.delegate", "1");
    vacate(seen_by("somewhere/else"), above.name());  // delegated, but not our own
    CHECK(is_untouched());
    CgroupHierarchy out_of_sight = open_cgroup_hierarchy();
    out_of_sight.own_group.reset();
    vacate(out_of_sight, above.name());
    vacate(out_of_sight, "");
    CHECK(is_untouched());
}

TEST_CASE("in a delegated group the container is inside it, and the others make room", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    mark(above.path(), "user.delegate", "1");
    const Member shell(above.path());
    for (int launch = 0; launch < 2; ++launch) {
        // The second comes from where the first has put them.
        const fs::path from = launch == 0 ? above.path() : above.path() / "processes";
        const Forked process = launch_from(from, any_group());
        CAPTURE(launch, process.err);
        CHECK(process.status == ExitStatus::exited(3));
        CHECK(process.out.starts_with(above.proc_name() + "/tenon-"));
        CHECK(cgroup_of(shell.pid()) == above.proc_name() + "/processes");
        CHECK(processes_in(above.path()).empty());
        CHECK(groups_in(above.path()) == std::set<std::string>{"processes"});
    }
}

TEST_CASE("in a group that nobody gave us the container is beside it", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const fs::path own = above.make("own");
    const Member shell(own);
    const Forked process = launch_from(own, any_group());
    CHECK(process.status == ExitStatus::exited(3));
    CHECK(process.out.starts_with(above.proc_name() + "/tenon-"));
    CHECK(cgroup_of(shell.pid()) == above.proc_name() + "/own");
    CHECK(groups_in(above.path()) == std::set<std::string>{"own"});
    CHECK(groups_in(own).empty());
}

TEST_CASE("in a delegated group a limit works, too", USES_ALL) {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup above;
    mark(above.path(), "user.delegate", "1");
    const Member shell(above.path());
    CgroupOptions options;
    options.limits.memory_max = 64U << 20;
    const Forked process = launch_from(above.path(), options);
    INFO(process.err);
    CHECK(process.status == ExitStatus::exited(3));
    CHECK(process.out.starts_with(above.proc_name() + "/tenon-"));
    CHECK(cgroup_of(shell.pid()) == above.proc_name() + "/processes");
    CHECK(above.read("cgroup.subtree_control") == "memory\n");
    CHECK(above.read("cgroup.type") == "domain\n");
}

TEST_CASE("a mount that does not show our own group is refused before anything is made", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    TENON_NEED(is_real_root(), "lab VM: needs root for a cgroup namespace");
    const TestCgroup above;
    const fs::path own = above.make("own");
    const CgroupOptions options = any_group();
    const Forked process = run_forked([&] {
        write_to(own / "cgroup.procs", "0");
        // From here on the mounts that we have show what lies above our root, and no own group.
        check(::unshare(CLONE_NEWCGROUP), "unshare");
        return run_in_cgroup({}, options, [](SyncSocket&) { return 0; });
    });
    CHECK(process.status == ExitStatus::exited(99));
    CHECK(process.out.starts_with("exception: our own group is out of sight from /"));
    CHECK(groups_in(above.path()) == std::set<std::string>{"own"});
    CHECK(groups_in(own).empty());
}

}  // namespace tenon::test
