// Where the hierarchy is, on machines of all kinds: their mountinfo, as it was read there.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include <stdexcept>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

constexpr const char* unified =
    "22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw\n"
    "34 25 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
    "rw,nsdelegate,memory_recursiveprot\n";

constexpr const char* hybrid =
    "30 25 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
    "32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n"
    "35 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
    "36 30 0:32 / /sys/fs/cgroup/blkio rw shared:16 - cgroup cgroup rw,blkio\n"
    "37 30 0:33 / /sys/fs/cgroup/memory rw shared:17 - cgroup cgroup rw,memory\n";

constexpr const char* hybrid_own =
    "9:name=systemd:/\n4:memory:/user\n0::/user.slice/session-1.scope\n";

std::string refusal_inside(const std::function<void()>& setup) {
    return run_inside(CLONE_NEWNS, [&]() -> std::string {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        setup();
        try {
            return "found at " + open_cgroup_hierarchy().mount_point;
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    });
}

bool covers_all(const CgroupMounts& mounts) {
    return mounts.unified.size() == 1 && mounts.unified[0].shows_own_group;
}

}  // namespace

TEST_CASE("find_cgroup_mounts finds the one hierarchy of a v2 machine") {
    const CgroupMounts found = find_cgroup_mounts(unified, "0::/user.slice/a.scope\n");
    REQUIRE(covers_all(found));
    CHECK(found.unified[0].mount_point == "/sys/fs/cgroup");
    CHECK(found.unified[0].own_group == "user.slice/a.scope");
    CHECK_FALSE(found.unified[0].read_only);
    CHECK(found.in_v1.empty());
}

TEST_CASE("find_cgroup_mounts knows the root as the empty text") {
    CHECK(find_cgroup_mounts(unified, "0::/\n").unified.at(0).own_group.empty());
}

TEST_CASE("find_cgroup_mounts finds both hierarchies of a hybrid machine") {
    const CgroupMounts found = find_cgroup_mounts(hybrid, hybrid_own);
    REQUIRE(covers_all(found));
    CHECK(found.unified[0].mount_point == "/sys/fs/cgroup/unified");
    CHECK(found.unified[0].own_group == "user.slice/session-1.scope");
    // blkio is what v2 calls io; cpuacct and name=systemd are no controllers of v2.
    CHECK(found.in_v1 == ControllerSet{"cpu", "io", "memory"});
}

TEST_CASE("find_cgroup_mounts finds nothing where nothing is mounted") {
    const CgroupMounts found = find_cgroup_mounts("", "");
    CHECK(found.unified.empty());
    CHECK(found.in_v1.empty());
}

TEST_CASE("find_cgroup_mounts reads paths with blanks, and lines without optional fields") {
    const CgroupMounts found = find_cgroup_mounts(
        "34 25 0:28 / /a\\040b\\134c rw - cgroup2 cgroup2 rw\n", "0::/with space\n");
    REQUIRE(covers_all(found));
    CHECK(found.unified[0].mount_point == "/a b\\c");
    CHECK(found.unified[0].own_group == "with space");
}

TEST_CASE("find_cgroup_mounts places us in a mount that shows a part of the hierarchy") {
    const auto found = [](const char* own) {
        return find_cgroup_mounts("34 25 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                                  own)
            .unified.at(0);
    };
    CHECK(found("0::/docker/abc\n").own_group.empty());
    CHECK(found("0::/docker/abc\n").shows_own_group);
    CHECK(found("0::/docker/abc/init\n").own_group == "init");
    CHECK_FALSE(found("0::/docker/abcd\n").shows_own_group);
    CHECK_FALSE(found("0::/docker\n").shows_own_group);
    CHECK_FALSE(found("0::/\n").shows_own_group);
}

TEST_CASE("find_cgroup_mounts sees that a mount lies outside our cgroup namespace") {
    const CgroupMount mount =
        find_cgroup_mounts("34 25 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n")
            .unified.at(0);
    CHECK_FALSE(mount.shows_own_group);
    CHECK_FALSE(find_cgroup_mounts(unified, "0::/../other\n").unified.at(0).shows_own_group);
}

TEST_CASE("find_cgroup_mounts takes a name that begins with two dots for a name") {
    const std::string name = ".." + random_name(1 + random_below(8));
    for (const std::string& own : {name, name + "/x", "x/" + name}) {
        CAPTURE(own);
        const CgroupMounts found = find_cgroup_mounts(unified, "0::/" + own + "\n");
        REQUIRE(covers_all(found));
        CHECK(found.unified[0].own_group == own);
    }
    CHECK_FALSE(find_cgroup_mounts(unified, "0::/..\n").unified.at(0).shows_own_group);
}

TEST_CASE("find_cgroup_mounts puts those first that can be used") {
    const CgroupMounts found = find_cgroup_mounts(
        "1 0 0:28 /x /part rw - cgroup2 cgroup2 rw\n"
        "2 0 0:28 / /readonly ro,nosuid - cgroup2 cgroup2 rw\n"
        "3 0 0:28 / /whole rw - cgroup2 cgroup2 rw\n",
        "0::/y\n");
    REQUIRE(found.unified.size() == 3);
    CHECK(found.unified[0].mount_point == "/whole");
    CHECK(found.unified[1].read_only);
    CHECK(found.unified[2].mount_point == "/part");
}

TEST_CASE("delegated_group is the parent of our own, or the root") {
    const TemporaryDirectory directory;
    for (const char* group : {"a/b/c", "job/init"}) {
        std::filesystem::create_directories(directory.path() / group);
    }
    const auto delegated = [&](const char* own) {
        CgroupHierarchy hierarchy;
        hierarchy.root =
            sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY | O_DIRECTORY);
        hierarchy.own_group = own;
        return delegated_group(hierarchy);
    };
    CHECK(delegated("").empty());
    CHECK(delegated("a").empty());
    CHECK(delegated("job/init") == "job");
    CHECK(delegated("a/b/c") == "a/b");
}

TEST_CASE("delegated_group refuses a mount that does not show our own group") {
    CgroupHierarchy hierarchy;
    hierarchy.mount_point = "/" + random_name(8);
    std::string said;
    try {
        said = delegated_group(hierarchy);
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    CHECK(said.starts_with("our own group is out of sight from " + hierarchy.mount_point));
    CHECK(said.ends_with("--cgroup-path /NAME"));
}

TEST_CASE("open_cgroup_hierarchy opens what the kernel shows") {
    TENON_NEED(!test_cgroups().empty(), "lab VM: needs a cgroup2 mount");
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CHECK("/" + hierarchy.own_group.value_or("nowhere") == cgroup_of("self"));
    CHECK(std::filesystem::path{hierarchy.mount_point} / delegated_group(hierarchy) ==
          test_cgroups());
    CHECK_FALSE(read_controllers(hierarchy.root, "cgroup.controllers").contains(""));
}

TEST_CASE("open_cgroup_hierarchy says that only v1 is there, or nothing") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    TENON_NEED(!test_cgroups().empty(), "lab VM: needs a cgroup2 mount");
    const bool has_v1 = !open_cgroup_hierarchy().in_v1.empty();
    // A mount over /sys hides them all from paths, although mountinfo still lists them.
    const std::string got = refusal_inside(
        [] { check(::mount("tmpfs", "/sys", "tmpfs", 0, nullptr), "mount", "/sys"); });
    INFO(got);
    if (has_v1) {
        CHECK(got.starts_with("only cgroup v1 is mounted here ("));
        CHECK(got.find("systemd.unified_cgroup_hierarchy=1") != std::string::npos);
    } else {
        CHECK(got.starts_with("no cgroup2 file system is mounted here"));
    }
    CHECK(got.find("./course vm shell") != std::string::npos);
}

}  // namespace tenon::test
