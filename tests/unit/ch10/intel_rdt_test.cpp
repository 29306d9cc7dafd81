// linux.intelRdt on a plain folder that stands for /sys/fs/resctrl.
#include "intel_rdt.hpp"

#include <fcntl.h>

#include <fstream>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
using Groups = std::vector<std::string>;

// A folder in which a new group has files, as in resctrl.
class Tree {
  public:
    Tree() {
        fill(".");
        fs::create_directory(at("mon_groups"));
    }
    [[nodiscard]] fs::path at(const std::string& path) const { return folder_.path() / path; }
    void fill(const std::string& group) const {
        for (const char* file : {"schemata", "tasks"}) std::ofstream{at(group) / file};
        if (group.find("mon_groups") == std::string::npos) {
            fs::create_directory(at(group) / "mon_groups");
        }
    }
    void add(const std::string& group, const std::string& schemata) const {
        fs::create_directory(at(group));
        fill(group);
        std::ofstream{at(group) / "schemata"} << schemata;
    }
    [[nodiscard]] ext::Resctrl open() const {
        return {sys::openat(FdRef::working_directory(), folder_.path(), O_RDONLY),
                [this](FdRef tree, const std::string& group) {
                    sys::mkdirat(tree, group, 0755);
                    fill(group);
                }};
    }
    [[nodiscard]] Groups join(const oci::IntelRdt& config) const {
        return ext::join_class(open(), config, "one", 4711);
    }

  private:
    TemporaryDirectory folder_;
};

}  // namespace

TEST_CASE("without closID the class is called as the container") {
    const Tree tree;
    CHECK(tree.join({.l3_cache_schema = "L3:0=f"}) == Groups{"one"});
    CHECK(read_file(tree.at("one/schemata")) == "L3:0=f\n");
    CHECK(read_file(tree.at("one/tasks")) == "4711\n");
}

TEST_CASE("a class that is not there is made only if something is said of it") {
    const Tree tree;
    CHECK_THROWS_WITH(tree.join({.clos_id = "gold"}), Catch::Contains("there is no class gold"));
    CHECK(!fs::exists(tree.at("gold")));
    CHECK(tree.join({.clos_id = "gold", .schemata = {"L3:0=ff"}}) == Groups{"gold"});
    CHECK(read_file(tree.at("gold/schemata")) == "L3:0=ff\n");
}

TEST_CASE("a class that is there is joined, not changed, and not removed") {
    const Tree tree;
    tree.add("gold", "    L3:0=00ff;1=F\n    MB:0=100\n");
    CHECK(tree.join({.clos_id = "gold"}).empty());
    CHECK(tree.join({.clos_id = "gold",
                     .schemata = {"L3:1=f"},
                     .l3_cache_schema = "L3: 0=FF",
                     .mem_bw_schema = "MB:0=100"})
              .empty());
    CHECK(read_file(tree.at("gold/tasks")) == "4711\n");
    CHECK_THROWS_WITH(tree.join({.clos_id = "gold", .l3_cache_schema = "L3:0=fe"}),
                      Catch::Contains("gives something else"));
    CHECK_THROWS_WITH(tree.join({.clos_id = "gold", .schemata = {"L2:0=ff"}}),
                      Catch::Contains("gives something else"));
}

TEST_CASE("an update writes into the class of the container") {
    const Tree tree;
    tree.add("gold", "L3:0=f\n");
    const oci::IntelRdt wanted{.mem_bw_schema = "MB:0=50"};
    ext::change_class(tree.open(), oci::IntelRdt{.clos_id = "gold"}, wanted, "one");
    CHECK(read_file(tree.at("gold/schemata")).starts_with("MB:0=50\n"));
    CHECK_THROWS_WITH(ext::change_class(tree.open(), std::nullopt, wanted, "one"),
                      Catch::Contains("has no /linux/intelRdt"));
}

TEST_CASE("the class / is everybody's") {
    const Tree tree;
    CHECK(tree.join({.clos_id = "/"}).empty());
    CHECK(read_file(tree.at("tasks")) == "4711\n");
}

TEST_CASE("monitoring is a group below, with the container's name") {
    const Tree tree;
    tree.add("gold", "L3:0=f\n");
    CHECK(tree.join({.clos_id = "gold", .enable_monitoring = true}) ==
          Groups{"gold/mon_groups/one"});
    CHECK(read_file(tree.at("gold/mon_groups/one/tasks")) == "4711\n");
}

TEST_CASE("what was made goes when a later step fails, and in the end") {
    const Tree tree;
    const ext::Resctrl without_files{
        sys::openat(FdRef::working_directory(), tree.at("."), O_RDONLY),
        [](FdRef at, const std::string& group) { sys::mkdirat(at, group, 0755); }};
    CHECK_THROWS_AS(ext::join_class(without_files, {.schemata = {"L3:0=f"}}, "one", 4711),
                    SysError);
    CHECK(!fs::exists(tree.at("one")));
    fs::create_directories(tree.at("two/mon_groups/one"));
    ext::remove_classes(tree.open().tree, {"two/mon_groups", "two/mon_groups/one", "three"});
    CHECK(fs::is_empty(tree.at("two")));
}

TEST_CASE("a container that has had no class made has nothing noted") {
    const TemporaryDirectory folder;
    CHECK(ext::classes_of(folder.path()).empty());
    std::ofstream{folder.path() / "intelRdt"} << "gold\ngold/mon_groups/one\n";
    CHECK(ext::classes_of(folder.path()) == Groups{"gold", "gold/mon_groups/one"});
}

}  // namespace tenon::test
