// 03.1: controllers come down to a group, from the root on.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// Groups as plain folders: root, a, a/b, a/b/c. What is written stays as text.
struct Tree {
    TemporaryDirectory directory;
    std::array<std::string, 3> names{random_name(6), random_name(6), random_name(6)};
    std::array<fs::path, 4> groups;
    UniqueFd root = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);

    explicit Tree(std::string_view passed_on = "") {
        groups[0] = directory.path();
        for (std::size_t i = 0; i < names.size(); ++i) groups.at(i + 1) = groups.at(i) / names[i];
        for (const fs::path& group : groups) {
            fs::create_directories(group);
            write_file(group / "cgroup.controllers", "cpu io memory pids\n");
            write_file(group / "cgroup.subtree_control", passed_on);
        }
    }

    [[nodiscard]] std::string leaf() const { return fmt::format("{}", fmt::join(names, "/")); }
    [[nodiscard]] std::string passed_on_by(std::size_t depth) const {
        return read_file(groups.at(depth) / "cgroup.subtree_control");
    }
    [[nodiscard]] bool writes_to(std::size_t depth) const { return !passed_on_by(depth).empty(); }
};

std::string random_controller() {
    constexpr std::array all{"cpu", "io", "memory", "pids"};
    return all.at(random_below(all.size()));
}

void tell(const Tree& tree) {
    constexpr std::array places{"the root", "a", "a/b", "a/b/c"};
    for (std::size_t depth = 0; depth < places.size(); ++depth) {
        step(fmt::format("cgroup.subtree_control of {}: \"{}\"", places.at(depth),
                         tree.passed_on_by(depth)));
    }
}

}  // namespace

TEST_CASE("enable_controllers has each group above pass the controller on", "[03.1]") {
    const Tree tree;
    const std::string controller = random_controller();
    step(fmt::format("nothing is passed on; a/b/c is to get {}", controller));
    enable_controllers(tree.root, tree.leaf(), {controller});
    tell(tree);
    fact("nothing_written", !tree.writes_to(0) && !tree.writes_to(1) && !tree.writes_to(2));
    fact("only_direct_parent", !tree.writes_to(0) && !tree.writes_to(1) && tree.writes_to(2));
    for (std::size_t depth = 0; depth < 3; ++depth) {
        const bool right =
            has_word(tree.groups.at(depth) / "cgroup.subtree_control", "+" + controller);
        TENON_EXPECT(right, "each of the three groups above is written +" + controller,
                     "depth " + std::to_string(depth) + ": \"" + tree.passed_on_by(depth) + "\"");
    }
}

TEST_CASE("enable_controllers lets the group itself pass nothing on", "[03.1]") {
    const Tree tree;
    enable_controllers(tree.root, tree.leaf(), {random_controller()});
    tell(tree);
    fact("wrote_own", tree.writes_to(3));
    TENON_EXPECT(!tree.writes_to(3),
                 "its own cgroup.subtree_control stays as it was: that is for groups below it",
                 "\"" + tree.passed_on_by(3) + "\"");
}

TEST_CASE("enable_controllers goes from the top down", "[03.1]") {
    const Tree tree;
    fs::remove(tree.groups[1] / "cgroup.subtree_control");
    const std::string got =
        refusal([&] { enable_controllers(tree.root, tree.leaf(), {random_controller()}); });
    step("the file of a cannot be opened, so the way down ends there");
    tell(tree);
    fact("bottom_up", !tree.writes_to(0) && tree.writes_to(2));
    TENON_EXPECT(tree.writes_to(0), "the root, which comes first, is written", "it is not");
    TENON_EXPECT(!tree.writes_to(2), "a/b, which comes later, is not", "it is");
    const std::string wanted =
        fmt::format("openat {}/cgroup.subtree_control: ENOENT", tree.names[0]);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("enable_controllers leaves groups alone that pass the controllers on already", "[03.1]") {
    const std::string before = "cpu io memory pids\n";
    const Tree tree(before);
    write_file(tree.groups[2] / "cgroup.subtree_control", "io\n");
    step("the root and a pass everything on, a/b only io; a/b/c is to get memory and io");
    enable_controllers(tree.root, tree.leaf(), {"memory", "io"});
    tell(tree);
    const bool alone = tree.passed_on_by(0) == before && tree.passed_on_by(1) == before;
    fact("written_needlessly", !alone);
    TENON_EXPECT(alone, "the files of the root and of a are as before",
                 fmt::format("\"{}\" and \"{}\"", tree.passed_on_by(0), tree.passed_on_by(1)));
    TENON_EXPECT(has_word(tree.groups[2] / "cgroup.subtree_control", "+memory"),
                 "a/b is written +memory", "\"" + tree.passed_on_by(2) + "\"");
}

TEST_CASE("enable_controllers writes nothing for a group that is the root", "[03.1]") {
    const Tree tree;
    enable_controllers(tree.root, "", {random_controller()});
    tell(tree);
    TENON_EXPECT(!tree.writes_to(0), "nothing: there is no group above the root",
                 "\"" + tree.passed_on_by(0) + "\"");
}

TEST_CASE("controllers reach a group three levels deep", "[03.1]") {
    for (const char* name : {"memory", "pids", "cpu"}) {
        TENON_NEED(missing_controller(name).empty(), missing_controller(name));
    }
    const TestCgroup top;
    const fs::path leaf = top.make("a/b/c");
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    step("groups " + top.proc_name() + "/a/b/c, all new; enable_controllers memory, pids, cpu");
    enable_controllers(hierarchy.root, top.name() + "/a/b/c", {"memory", "pids", "cpu"});
    const std::string there = read_file(leaf / "cgroup.controllers");
    step("cgroup.controllers of c: " + there);
    for (const char* name : {"memory", "pids", "cpu"}) {
        TENON_EXPECT(has_word(leaf / "cgroup.controllers", name),
                     std::string{name} + " is in cgroup.controllers of c", there);
    }
    for (const char* file : {"memory.max", "pids.max", "cpu.max"}) {
        TENON_EXPECT(fs::exists(leaf / file), std::string{file} + " is there", "it is not");
    }
    TENON_EXPECT(!has_word(leaf / "cgroup.subtree_control", "memory"),
                 "and c itself passes nothing on", read_file(leaf / "cgroup.subtree_control"));
}

TEST_CASE("a group with processes of its own passes no controllers on", "[03.1]") {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup top;
    top.make("below");
    const Member member(top.path());
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    step("a process sits in " + top.proc_name() + "; a group below it is to get memory");
    const std::string got =
        refusal([&] { enable_controllers(hierarchy.root, top.name() + "/below", {"memory"}); });
    const std::string wanted =
        fmt::format("write {}/cgroup.subtree_control <- +memory: EBUSY", top.name());
    TENON_EXPECT(got == wanted, wanted, got);
}

// ---- what is given ---------------------------------------------------------------------------

TEST_CASE("ancestors_of lists the groups above, the root first") {
    CHECK(ancestors_of("").empty());
    CHECK(ancestors_of("a") == std::vector<std::string>{""});
    CHECK(ancestors_of("a/b/c") == std::vector<std::string>{"", "a", "a/b"});
}

TEST_CASE("read_controllers reads words, however many") {
    const TemporaryDirectory directory;
    const UniqueFd folder = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);
    write_file(directory.path() / "some", "cpuset cpu io\n");
    write_file(directory.path() / "none", "\n");
    CHECK(read_controllers(folder, "some") == ControllerSet{"cpu", "cpuset", "io"});
    CHECK(read_controllers(folder, "none").empty());
    CHECK(refusal([&] { read_controllers(folder, "absent"); }) == "openat absent: ENOENT");
}

}  // namespace tenon::test
