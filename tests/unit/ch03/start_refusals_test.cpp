// Places where no container can start: known before anything is made, or named when the kernel
// refuses.
#include <fcntl.h>
#include <fmt/format.h>

#include <stdexcept>

#include "cgroup_view.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/hints.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// What `body` was told in any kind of words, or "accepted".
template <typename Body>
std::string complaint(const Body& body) {
    try {
        body();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "accepted";
}

// Groups as plain folders: busy, which `type` says more of, below a root without one.
struct PlainBusy {
    TemporaryDirectory directory;
    CgroupHierarchy hierarchy;
    fs::path busy = directory.path() / "busy";

    explicit PlainBusy(std::string_view processes, std::string_view passed_on = "") {
        hierarchy.root =
            sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY | O_DIRECTORY);
        for (const fs::path& group : {directory.path(), busy}) {
            fs::create_directories(group);
            write_file(group / "cgroup.controllers", "cpu memory pids\n");
            write_file(group / "cgroup.subtree_control", passed_on);
            write_file(group / "cgroup.procs", group == busy ? processes : "1\n2\n");
        }
        write_file(busy / "cgroup.type", "domain\n");
    }
    [[nodiscard]] std::string passed_on(const fs::path& group) const {
        return read_file(directory.path() / group / "cgroup.subtree_control");
    }
};

CgroupLimits any_limit() {
    CgroupLimits limits;
    const std::uint64_t which = random_below(3);
    if (which == 0) limits.pids_max = 9;
    if (which == 1) limits.cpu_weight = 50;
    if (which == 2) limits.memory_max = 1U << 20;
    return limits;
}

int return_at_once(SyncSocket&) {
    return 0;
}

}  // namespace

TEST_CASE("create asks for no controller below a group with processes", "[uses-03.1][uses-03.2]") {
    const PlainBusy plain(fmt::format("{}\n", 1 + random_below(4'000'000)));
    const std::string got =
        refusal([&] { CgroupManager::create(plain.hierarchy, "busy/new", any_limit()); });
    CHECK(got == "enable controllers /busy/cgroup.procs: EBUSY");
    CHECK(hint_for(SysError(EBUSY, "enable controllers")).find("no internal processes") !=
          std::string_view::npos);
    CHECK(plain.passed_on("").empty());  // also not further up
    CHECK(plain.passed_on("busy").empty());
    CHECK_FALSE(fs::exists(plain.busy / "new"));
}

TEST_CASE("create minds no processes where nothing has to be passed on",
          "[uses-03.1][uses-03.2][uses-03.5]") {
    const PlainBusy passing("7\n", "cpu memory pids\n");
    // A plain folder has no such file; and, not being a group, it cannot be removed as one.
    const Forked process = run_forked([&] {
        say(refusal([&] { CgroupManager::create(passing.hierarchy, "busy/new", any_limit()); }));
        return 0;
    });
    CHECK(process.out.starts_with("apply limit /busy/new"));
    const PlainBusy without("7\n");
    CHECK(complaint([&] { CgroupManager::create(without.hierarchy, "busy/new", {}).keep(); }) ==
          "accepted");
}

TEST_CASE("a limit below a group with processes leaves it a domain",
          "[uses-03.1][uses-03.2][uses-03.5]") {
    const std::string controller = GENERATE("pids", "cpu");
    TENON_NEED(missing_controller(controller).empty(), missing_controller(controller));
    const TestCgroup above;
    const fs::path busy = above.make("busy");
    const Member member(busy);
    CgroupLimits limits;
    if (controller == "pids") limits.pids_max = 9;
    if (controller == "cpu") limits.cpu_weight = 50;
    const std::string before = above.read("cgroup.subtree_control");
    const std::string path = above.name() + "/busy/new";
    CHECK(refusal([&] { CgroupManager::create(open_cgroup_hierarchy(), path, limits); }) ==
          fmt::format("enable controllers /{}/busy/cgroup.procs: EBUSY", above.name()));
    CHECK(read_file(busy / "cgroup.type") == "domain\n");
    CHECK(read_file(busy / "cgroup.subtree_control").find(controller) == std::string::npos);
    CHECK(above.read("cgroup.subtree_control") == before);
    CHECK_FALSE(fs::exists(busy / "new"));
}

TEST_CASE("create names a missing group above, with limits or without", "[uses-03.1][uses-03.2]") {
    const PlainBusy plain("");
    const std::string name = random_name(6);
    for (const CgroupLimits& limits : {CgroupLimits{}, any_limit()}) {
        const std::string path = fmt::format("{}/new", name);
        CHECK(refusal([&] { CgroupManager::create(plain.hierarchy, path, limits); }) ==
              fmt::format("create cgroup /{} ({}): ENOENT", path, name));
    }
    CHECK(plain.passed_on("").empty());
}

TEST_CASE("create refuses a place below a frozen group", "[uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const fs::path inner = above.make("cold/inner");
    write_to(above.path() / "cold/cgroup.freeze", "1");
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    for (const char* place : {"cold", "cold/inner"}) {
        const std::string parent = above.name() + "/" + place;
        const std::string got =
            complaint([&] { CgroupManager::create(hierarchy, parent + "/new", {}); });
        CHECK(got.starts_with(fmt::format("the cgroup /{} is frozen: ", parent)));
        CHECK(got.find("cgroup.freeze") != std::string::npos);
        CHECK_FALSE(fs::exists(above.path() / place / "new"));
    }
    write_to(above.path() / "cold/cgroup.freeze", "0");
    CHECK(complaint([&] {
              CgroupManager::create(hierarchy, above.name() + "/cold/inner/new", {});
          }) == "accepted");
}

TEST_CASE("check_group_path refuses what a terminal or a line of /proc would obey") {
    std::string controls = "\x7F";
    for (char c = 1; c < ' '; ++c) controls += c;
    for (const char c : controls) {
        CAPTURE(static_cast<int>(c));
        const std::string before = random_name(random_below(4));
        const std::string path = before + c + random_name(random_below(4));
        CHECK_THROWS_AS(check_group_path(path), std::invalid_argument);
        CHECK_THROWS_AS(check_group_path("a/" + path + "/b"), std::invalid_argument);
    }
    CHECK_THROWS_AS(check_group_path(std::string("a\0b", 3)), std::invalid_argument);
    CHECK_NOTHROW(check_group_path("with space/\xC3\xBC/..."));
}

TEST_CASE("a start that the kernel refuses names the group", "[uses-03.3][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    const std::string path = above.name() + "/one";
    above.make("one");
    const auto group = CgroupManager::open(hierarchy, path);
    SECTION("a group above it is threaded") {
        above.make("one/two");
        write_to(above.path() / "one/cgroup.type", "threaded");
        REQUIRE(read_file(above.path() / "one/two/cgroup.type") == "domain invalid\n");
        const auto below = CgroupManager::open(hierarchy, path + "/two");
        CHECK(refusal([&] { static_cast<void>(below.spawn({}, return_at_once)); }) ==
              fmt::format("start in cgroup /{}/two: EOPNOTSUPP", path));
    }
    SECTION("somebody has removed it") {
        fs::remove(above.path() / "one");
        CHECK(refusal([&] {
                  static_cast<void>(group.spawn({}, return_at_once));
              }).starts_with(fmt::format("start in cgroup /{}: ENO", path)));
    }
}

TEST_CASE("a start beyond pids.max, or in a group that passes on, names the group",
          "[uses-03.1][uses-03.2][uses-03.3][uses-03.5][uses-01.1][uses-01.2]") {
    TENON_NEED(missing_controller("pids").empty(), missing_controller("pids"));
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup above;
    const std::string path = above.name() + "/one";
    CgroupLimits limits;
    limits.unified = {{"pids.max", "0"}, {"memory.max", "max"}};
    const auto group = CgroupManager::create(open_cgroup_hierarchy(), path, limits);
    const auto start = [&] {
        return refusal([&] { static_cast<void>(group.spawn({}, return_at_once)); });
    };
    CHECK(start() == fmt::format("start in cgroup /{}: EAGAIN", path));
    write_to(above.path() / "one/pids.max", "max");
    CHECK(start() == "accepted");
    write_to(above.path() / "one/cgroup.subtree_control", "+memory");
    CHECK(start() == fmt::format("start in cgroup /{}: EBUSY", path));
    CHECK(hint_for(SysError(EAGAIN, "start in cgroup")).find("--pids-limit") !=
          std::string_view::npos);
}

}  // namespace tenon::test
