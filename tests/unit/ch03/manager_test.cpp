// CgroupManager: the life of a group, from the first mkdir to the last rmdir.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
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

// A hierarchy of plain folders.
struct PlainHierarchy {
    TemporaryDirectory directory;
    CgroupHierarchy hierarchy;

    PlainHierarchy() {
        hierarchy.root =
            sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY | O_DIRECTORY);
        hierarchy.mount_point = "/the/mount";
    }
    void controllers(const fs::path& group, std::string_view text) const {
        fs::create_directories(directory.path() / group);
        write_file(directory.path() / group / "cgroup.controllers", text);
    }
};

CgroupLimits memory_limit() {
    CgroupLimits limits;
    limits.memory_max = 4096;
    return limits;
}

std::string why_not_created(const CgroupHierarchy& hierarchy, std::string_view path,
                            const CgroupLimits& limits) {
    try {
        CgroupManager::create(hierarchy, path, limits);
    } catch (const std::exception& error) {
        return error.what();
    }
    return "created";
}

}  // namespace

TEST_CASE("create refuses what names no group") {
    const PlainHierarchy plain;
    for (const char* path : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/."}) {
        CAPTURE(path);
        CHECK_THROWS_AS(CgroupManager::create(plain.hierarchy, path, {}), std::invalid_argument);
        CHECK_THROWS_AS(CgroupManager::open(plain.hierarchy, path), std::invalid_argument);
    }
    CHECK(fs::is_empty(plain.directory.path()));
}

TEST_CASE("create names the group that it could not make", "[uses-03.2]") {
    const PlainHierarchy plain;
    fs::create_directory(plain.directory.path() / "there");
    fs::create_symlink("/", plain.directory.path() / "link");
    const auto create = [&](std::string_view path) {
        return refusal([&] { CgroupManager::create(plain.hierarchy, path, {}); });
    };
    CHECK(create("there") == "create cgroup /there (there): EEXIST");
    CHECK(create("absent/new") == "create cgroup /absent/new (absent): ENOENT");
    CHECK(create("link/new") == "create cgroup /link/new (link): ELOOP");
    CHECK(refusal([&] { CgroupManager::open(plain.hierarchy, "absent"); }) ==
          "open cgroup /absent (absent): ENOENT");
}

TEST_CASE("a controller in use by v1 is named, with what to do", "[uses-03.1][uses-03.2]") {
    PlainHierarchy plain;
    plain.controllers("", "cpu pids\n");
    plain.hierarchy.in_v1 = {"memory"};
    const std::string why = why_not_created(plain.hierarchy, "new", memory_limit());
    CHECK(why.starts_with("the memory controller is in use by cgroup v1 on this machine"));
    CHECK(why.find("systemd.unified_cgroup_hierarchy=1") != std::string::npos);
    CHECK(why.find("./course vm shell") != std::string::npos);
    CHECK_FALSE(fs::exists(plain.directory.path() / "new"));
}

TEST_CASE("a controller that the kernel lacks is named, with what to do",
          "[uses-03.1][uses-03.2]") {
    const PlainHierarchy plain;
    plain.controllers("", "cpu pids\n");
    const std::string why = why_not_created(plain.hierarchy, "new", memory_limit());
    CHECK(
        why.starts_with("this kernel has no memory controller "
                        "(/the/mount/cgroup.controllers does not list it)"));
}

TEST_CASE("a controller that a group above holds back is named, with the group",
          "[uses-03.1][uses-03.2]") {
    const PlainHierarchy plain;
    plain.controllers("", "cpu memory pids\n");
    write_file(plain.directory.path() / "cgroup.subtree_control", "memory pids\n");
    plain.controllers("user", "pids\n");
    const std::string why = why_not_created(plain.hierarchy, "user/new", memory_limit());
    CHECK(why.starts_with("the memory controller does not reach /the/mount/user: "));
    CHECK(why.find("Delegate=") != std::string::npos);
}

TEST_CASE("another refusal of a controller names the group's file", "[uses-03.1][uses-03.2]") {
    const PlainHierarchy plain;
    plain.controllers("", "memory\n");
    const std::string got =
        refusal([&] { CgroupManager::create(plain.hierarchy, "new", memory_limit()); });
    CHECK(got == "enable controllers /cgroup.subtree_control: ENOENT");
}

TEST_CASE("a group lives as long as its manager", "[uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    const fs::path place = above.path() / "one";
    {
        const auto group = CgroupManager::create(hierarchy, above.name() + "/one", {});
        CHECK(fs::is_directory(place));
        CHECK(group.path() == above.name() + "/one");
        const CgroupManager moved = [&] {
            return CgroupManager::create(hierarchy, above.name() + "/two", {});
        }();
        CHECK(fs::is_directory(above.path() / "two"));
    }
    CHECK_FALSE(fs::exists(place));
    CHECK_FALSE(fs::exists(above.path() / "two"));
}

TEST_CASE("a group that is kept or only opened stays", "[uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CgroupManager::create(hierarchy, above.name() + "/kept", {}).keep();
    CHECK(fs::is_directory(above.path() / "kept"));
    static_cast<void>(CgroupManager::open(hierarchy, above.name() + "/kept"));
    CHECK(fs::is_directory(above.path() / "kept"));
    CgroupManager opened = CgroupManager::open(hierarchy, above.name() + "/kept");
    opened.remove();
    CHECK_FALSE(fs::exists(above.path() / "kept"));
}

TEST_CASE("a group goes with all that runs in it", "[uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    std::optional<Member> member;
    {
        const auto group = CgroupManager::create(hierarchy, above.name() + "/one", {});
        member.emplace(above.path() / "one");
        fs::create_directories(above.path() / "one/made/inside");
    }
    REQUIRE_FALSE(fs::exists(above.path() / "one"));
    CHECK(member->wait().signal() == SIGKILL);
}

TEST_CASE("a limit that is refused leaves no group", "[uses-03.1][uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CgroupLimits limits;
    limits.unified = {{"cgroup.max.depth", "nonsense"}};
    const std::string path = above.name() + "/one";
    CHECK(refusal([&] { CgroupManager::create(hierarchy, path, limits); }) ==
          fmt::format("apply limit /{} (cgroup.max.depth <- nonsense): EINVAL", path));
    CHECK_FALSE(fs::exists(above.path() / "one"));
}

TEST_CASE("a manager attaches, spawns, freezes and kills",
          "[uses-03.2][uses-03.3][uses-03.4][uses-03.5][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const TestCgroup elsewhere;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    const auto group = CgroupManager::create(hierarchy, above.name() + "/one", {});
    Member moved(elsewhere.path());
    group.attach(moved.pid());
    Child born = group.spawn({}, wait_for_signal);
    CHECK(processes_in(above.path() / "one") == std::set<pid_t>{moved.pid(), born.pid()});
    group.freeze();
    CHECK(counter_in(above.path() / "one/cgroup.events", "frozen") == 1);
    group.thaw();
    CHECK(counter_in(above.path() / "one/cgroup.events", "frozen") == 0);
    CHECK_FALSE(group.stats().pids.has_value());  // the group above passes nothing on
    group.kill_all();
    CHECK(born.wait().signal() == SIGKILL);
    CHECK(moved.wait().signal() == SIGKILL);
}

namespace {

// Makes, uses and removes `count` groups one after the other; how many are left of them.
std::size_t groups_left_of(int count, const CgroupLimits& limits) {
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    for (int i = 0; i < count; ++i) {
        const auto group =
            CgroupManager::create(hierarchy, fmt::format("{}/n{}", above.name(), i), limits);
        Child child = group.spawn({}, [](SyncSocket&) { return 0; });
        REQUIRE(child.wait().success());
    }
    std::size_t left = 0;
    for (const auto& entry : fs::directory_iterator(above.path())) left += entry.is_directory();
    return left;
}

}  // namespace

TEST_CASE("20 groups made, used and removed leave none",
          "[uses-03.2][uses-03.3][uses-03.5][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    CHECK(groups_left_of(20, {}) == 0);
}

TEST_CASE("200 groups with limits, made, used and removed, leave none",
          "[uses-03.1][uses-03.2][uses-03.3][uses-03.5][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_controller("pids").empty(), missing_controller("pids"));
    CgroupLimits limits;
    limits.pids_max = 10;
    CHECK(groups_left_of(200, limits) == 0);
}

TEST_CASE("20 groups at once hold what is in them, each for itself",
          "[uses-03.1][uses-03.2][uses-03.3][uses-03.4][uses-03.5][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_controller("pids").empty(), missing_controller("pids"));
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    std::vector<CgroupManager> groups;
    std::vector<Child> children;
    for (std::uint64_t i = 0; i < 20; ++i) {
        CgroupLimits limits;
        limits.pids_max = 10 + i;
        groups.push_back(
            CgroupManager::create(hierarchy, fmt::format("{}/n{}", above.name(), i), limits));
        children.push_back(groups.back().spawn({}, wait_for_signal));
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
        CAPTURE(i);
        const fs::path place = above.path() / fmt::format("n{}", i);
        CHECK(processes_in(place) == std::set<pid_t>{children[i].pid()});
        CHECK(groups[i].stats().pids.value().max == 10 + i);
        CHECK(groups[i].stats().pids.value().current == 1);
    }
}

TEST_CASE("create hands a controller down to a group three levels deep",
          "[uses-03.1][uses-03.2][uses-03.5]") {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup above;
    above.make("a/b");
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CgroupLimits limits;
    limits.memory_max = 16 << 20;
    const auto group = CgroupManager::create(hierarchy, above.name() + "/a/b/c", limits);
    CHECK(read_file(above.path() / "a/b/c/memory.max") == "16777216\n");
    // Who passes controllers on may have no processes.
    const std::string top = above.name() + "/a/b";
    CHECK(refusal([&] {
              const Member member(above.path() / "a/b/c");
              CgroupManager::create(hierarchy, above.name() + "/a/b/c/d", limits);
          }) == fmt::format("enable controllers /{}/c/cgroup.procs: EBUSY", top));
}

TEST_CASE("create says which controller this machine does not have", "[uses-03.1][uses-03.2]") {
    TENON_NEED(std::getenv("TENON_LAB_VM") != nullptr, "lab VM: writes to the root group");
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    CgroupLimits limits;
    limits.unified = {{"nosuch.max", "1"}};
    const std::string path = fmt::format("job/tenon-test-{}-none", ::getpid());
    CHECK(why_not_created(hierarchy, path, limits)
              .starts_with("this kernel has no nosuch controller"));
}

}  // namespace tenon::test
