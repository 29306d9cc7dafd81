// What systemd is told, and what is made of its answers. The programs are scripts of the test's.
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "systemd_manager.hpp"
#include "systemd_unit.hpp"

namespace tenon::test {

namespace {

using ext::ScopeName;
using ext::UnitProperty;
using std::chrono::microseconds;

constexpr unsigned newest = 257;
constexpr const char* endless = "18446744073709551615";

std::vector<UnitProperty> told(const CgroupLimits& limits, unsigned version = newest) {
    return ext::limit_properties(limits, version);
}

UnitProperty number(const char* name, const std::string& value) {
    return {name, "t", {value}};
}

// A folder with programs that note how they were called.
class Tools {
  public:
    Tools() {
        write("busctl", "exit 0");
        write("systemctl", "exit 0");
    }
    void write(const char* name, const std::string& body) const {
        const std::string path = folder_.path() / name;
        std::ofstream{path} << "#!/bin/sh\necho \"${0##*/} $*\" >> " << log() << '\n'
                            << body << '\n';
        ::chmod(path.c_str(), 0755);
    }
    [[nodiscard]] std::string log() const { return folder_.path() / "log"; }
    [[nodiscard]] std::string calls() const { return read_file(log()); }
    [[nodiscard]] ext::SystemdManager manager(bool of_user = false) const {
        return {{.busctl = folder_.path() / "busctl",
                 .systemctl = folder_.path() / "systemctl",
                 .patience = std::chrono::milliseconds{500}},
                of_user};
    }

  private:
    TemporaryDirectory folder_;
};

}  // namespace

TEST_CASE("cgroupsPath names a scope in a slice") {
    CHECK(ext::scope_from("a-b.slice:p:n", "one", false) == ScopeName{"a-b.slice", "p-n.scope"});
    CHECK(ext::scope_from("", "one", false) == ScopeName{"system.slice", "tenon-one.scope"});
    CHECK(ext::scope_from("", "one", true) == ScopeName{"user.slice", "tenon-one.scope"});
    CHECK(ext::scope_from(":libpod:n", "one", true) == ScopeName{"user.slice", "libpod-n.scope"});
    CHECK(ext::scope_from("-:p:n", "one", false) == ScopeName{"-.slice", "p-n.scope"});
}

TEST_CASE("what is no name of a unit is refused") {
    const std::vector<std::string> paths{
        "/a/b",           "a.slice:n",         "a.slice:p:n:m",
        "a.slice:p:",     "a.slice:p:x.slice", "../x.slice:p:n",
        "a.slice:p/q:n",  "a.service:p:n",     ".slice:p:n",
        "a--b.slice:p:n", "-a.slice:p:n",      "a.slice:p:n m",
        "a.slice:p:n@1",  "a.slice:p:n\n",     "a.slice:p:" + std::string(256, 'n')};
    for (const std::string& path : paths) {
        INFO(path);
        CHECK_THROWS_AS(ext::scope_from(path, "one", false), std::invalid_argument);
    }
}

TEST_CASE("a dash in a slice's name is a step down") {
    CHECK(ext::path_of_slice("-.slice") == "");
    CHECK(ext::path_of_slice("a.slice") == "a.slice");
    CHECK(ext::path_of_slice("a-b-c.slice") == "a.slice/a-b.slice/a-b-c.slice");
}

TEST_CASE("each limit that systemd has a word for is a property", "[uses-03.2]") {
    struct Row {
        CgroupLimits limits;
        std::vector<UnitProperty> expected;
    };
    const std::vector<Row> rows{
        {{.memory_max = 64U << 20U}, {number("MemoryMax", "67108864")}},
        {{.memory_max = no_limit}, {number("MemoryMax", endless)}},
        {{.memory_high = 1, .memory_low = 2, .memory_min = 3},
         {number("MemoryHigh", "1"), number("MemoryLow", "2"), number("MemoryMin", "3")}},
        {{.swap_max = 0}, {number("MemorySwapMax", "0")}},
        {{.pids_max = 7}, {number("TasksMax", "7")}},
        {{.cpu_weight = 39}, {number("CPUWeight", "39")}},
        {{.cpu_weight = 39, .cpu_idle = true}, {number("CPUWeight", "0")}},
        {{.cpu_idle = false}, {}},
        {{.cpu_max = CpuMax{microseconds{20'000}, microseconds{50'000}}},
         {number("CPUQuotaPeriodUSec", "50000"), number("CPUQuotaPerSecUSec", "400000")}},
        {{.cpu_max = CpuMax{microseconds{1'001}, microseconds{100'000}}},
         {number("CPUQuotaPeriodUSec", "100000"), number("CPUQuotaPerSecUSec", "20000")}},
        {{.cpu_max = CpuMax{}},
         {number("CPUQuotaPeriodUSec", "100000"), number("CPUQuotaPerSecUSec", endless)}},
        {{.cpuset_cpus = "0-2,9"}, {{"AllowedCPUs", "ay", {"2", "7", "2"}}}},
        {{.cpuset_mems = "1"}, {{"AllowedMemoryNodes", "ay", {"1", "2"}}}},
        {{.io_weight = 300, .io_weights = {{{8, 0}, 10}, {{8, 16}, 20}}},
         {number("IOWeight", "300"),
          {"IODeviceWeight", "a(st)", {"2", "/dev/block/8:0", "10", "/dev/block/8:16", "20"}}}},
        {{.io_max = {{.device = {8, 0}, .read_bytes = 5, .write_operations = no_limit}}},
         {{"IOReadBandwidthMax", "a(st)", {"1", "/dev/block/8:0", "5"}},
          {"IOWriteIOPSMax", "a(st)", {"1", "/dev/block/8:0", endless}}}},
        {{.unified = {{"memory.high", "max"}, {"cpu.max", "max"}, {"io.weight", "50"}}},
         {number("CPUQuotaPeriodUSec", "100000"), number("CPUQuotaPerSecUSec", endless),
          number("IOWeight", "50"), number("MemoryHigh", endless)}},
        // A later entry replaces an earlier one; what systemd cannot read is left to the kernel.
        {{.pids_max = 7, .unified = {{"pids.max", "8"}}}, {number("TasksMax", "8")}},
        {{.unified = {{"memory.max", "64M"}, {"cpuset.cpus", "2-1"}, {"cpuset.mems", "9999"}}}, {}},
        {{.cpu_burst = microseconds{5}, .hugetlb_max = {{"2MB", 1}}, .rdma_max = {{"x", "y=1"}}},
         {}},
    };
    for (const auto& [limits, expected] : rows) {
        CHECK(ext::words_of(told(limits)) == ext::words_of(expected));
    }
}

TEST_CASE("an older systemd is not told what it does not know", "[uses-03.2]") {
    CHECK(told({.cpuset_cpus = "0"}, 243).empty());
    CHECK(told({.cpu_idle = true}, 251).empty());
    CHECK(told({.unified = {{"memory.zswap.max", "1"}}}, 252).empty());
    CHECK(told({.unified = {{"memory.zswap.max", "1"}}}, 253).size() == 1);
    CHECK(ext::oom_properties({.oom_group = true}, 252).empty());
    CHECK(ext::oom_properties({.oom_group = true}, 253) ==
          std::vector<UnitProperty>{{"OOMPolicy", "s", {"kill"}}});
    CHECK(ext::oom_properties({.unified = {{"memory.oom.group", "0"}}}, 253) ==
          std::vector<UnitProperty>{{"OOMPolicy", "s", {"continue"}}});
    CHECK(ext::version_from("252.38-1~deb12u1") == 252);
    CHECK(ext::version_from("v255") == 255);
    CHECK(ext::version_from("none") == 0);
}

TEST_CASE("annotations are properties of any type") {
    struct Row {
        std::string name;
        std::string text;
        UnitProperty expected;
    };
    const std::vector<Row> rows{
        {"CollectMode", "'inactive-or-failed'", {"CollectMode", "s", {"inactive-or-failed"}}},
        {"CollectMode", R"("a\"b")", {"CollectMode", "s", {"a\"b"}}},
        {"SendSIGHUP", " true ", {"SendSIGHUP", "b", {"true"}}},
        {"Before", "['a.service', \"b\"]", {"Before", "as", {"2", "a.service", "b"}}},
        {"Before", "@as []", {"Before", "as", {"0"}}},
        {"TimeoutStopUSec", "uint64 123", {"TimeoutStopUSec", "t", {"123"}}},
        {"TimeoutStopSec", "10", {"TimeoutStopUSec", "t", {"10000000"}}},
        {"TimeoutStopSec", "uint64 10", {"TimeoutStopUSec", "t", {"10000000"}}},
        {"TimeoutStopSec", "2.5", {"TimeoutStopUSec", "t", {"2500000"}}},
        {"Number", "-5", {"Number", "i", {"-5"}}},
        {"Number", "1.5", {"Number", "d", {"1.5"}}},
        {"Number", "byte 5", {"Number", "y", {"5"}}},
    };
    for (const auto& [name, text, expected] : rows) {
        INFO(name << " " << text);
        CHECK(ext::property_from_annotation(name, text) == expected);
    }
}

TEST_CASE("an annotation that cannot be read is refused") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"Name", ""},          {"Name", "text"},      {"Name", "'open"},     {"Name", "'a' 'b'"},
        {"Name", "[1, 2]"},    {"Name", "['a' 'b']"}, {"Name", "['a',]"},    {"Name", "['a'"},
        {"Name", "uint64"},    {"Name", "uint64 x"},  {"Name", "5 6"},       {"Name", "uint64 1.5"},
        {"Name", "true true"}, {"Name", "<5>"},       {"ab", "5"},           {"Na-me", "5"},
        {"TimeSec", "-1"},     {"TimeSec", "1e300"},  {"Name", "double nan"}};
    for (const auto& [name, text] : rows) {
        INFO(name << " " << text);
        CHECK_THROWS_AS(ext::property_from_annotation(name, text), std::invalid_argument);
    }
}

TEST_CASE("properties are counted, and annotations come last") {
    const std::vector<UnitProperty> properties =
        ext::scope_properties({"a.slice", "b.scope"}, "one",
                              {{"org.systemd.property.CollectMode", "'x'"}, {"org.other", "y"}});
    const std::vector<std::string> words = ext::words_of(properties);
    CHECK(words.front() == std::to_string(properties.size()));
    CHECK(properties.back() == UnitProperty{"CollectMode", "s", {"x"}});
    CHECK(std::ranges::count(properties, UnitProperty{"Slice", "s", {"a.slice"}}) == 1);
    CHECK(std::ranges::count(properties, UnitProperty{"Delegate", "b", {"true"}}) == 1);
    CHECK(std::ranges::count(properties, UnitProperty{"DefaultDependencies", "b", {"false"}}) == 1);
}

TEST_CASE("a manager tells its version and its place") {
    const ext::ManagerFacts facts =
        ext::facts_from("s \"252.38-1~deb12u1\"\ns \"/user.slice/a\\\\x2db\"\n");
    CHECK(facts.version == 252);
    CHECK(facts.group == "user.slice/a\\x2db");
    CHECK(ext::facts_from("s \"v255\"\ns \"\"\n").group.empty());
    CHECK_THROWS_AS(ext::facts_from("s \"255\"\n"), std::runtime_error);
    CHECK_THROWS_AS(ext::facts_from("u 255\nu 1\n"), std::runtime_error);
}

TEST_CASE("a scope is made, and the end of its start is waited for") {
    const Tools tools;
    tools.manager(true).make("b.scope", {{"Number", "i", {"-5"}}});
    tools.manager(true).wait_for_start("b.scope");
    CHECK(tools.calls() ==
          "busctl --user -- call org.freedesktop.systemd1 /org/freedesktop/systemd1 "
          "org.freedesktop.systemd1.Manager StartTransientUnit ssa(sv)a(sa(sv)) b.scope fail 1 "
          "Number i -5 0\n"
          "systemctl --user --no-ask-password --quiet start -- b.scope\n");
}

TEST_CASE("a unit that has failed is forgotten, and made anew") {
    const Tools tools;
    tools.write("busctl", "case $* in *Reset*) touch " + tools.log() +
                              ".reset; exit 0;; esac\n[ -e " + tools.log() +
                              ".reset ] || { echo no >&2; exit 1; }");
    CHECK_NOTHROW(tools.manager().make("b.scope", {}));
    CHECK_THAT(tools.calls(), Catch::Contains("ResetFailedUnit s b.scope"));
}

TEST_CASE("what systemd refuses is told in its words") {
    const Tools tools;
    tools.write("busctl", "echo 'Call failed: Unit b.scope was already loaded.' >&2; exit 1");
    CHECK_THROWS_WITH(
        tools.manager().make("b.scope", {}),
        Catch::Contains("StartTransientUnit of b.scope: Unit b.scope was already loaded."));
    tools.write("systemctl", "echo 'Unit b.scope not found.' >&2; exit 4");
    CHECK_THROWS_WITH(
        tools.manager().wait_for_start("b.scope"),
        Catch::Contains("the start of b.scope (journalctl --unit b.scope): Unit b.scope"));
    CHECK_THROWS_AS(tools.manager().set("b.scope", {number("MemoryMax", "1")}), std::runtime_error);
}

TEST_CASE("without a bus there is no systemd, and that is said") {
    const Tools tools;
    tools.write("busctl", "echo 'Failed to connect to bus: No such file or directory' >&2; exit 1");
    CHECK_THROWS_WITH(
        tools.manager().ask(),
        Catch::Contains("no systemd answers here: Failed to") && Catch::Contains("cgroupfs"));
}

TEST_CASE("a systemd that does not answer is not waited for without end") {
    const Tools tools;
    tools.write("busctl", "exec sleep 1000");
    tools.write("systemctl", "exec sleep 1000");
    CHECK_THROWS_WITH(tools.manager().ask(), Catch::Contains("no answer within 500 ms"));
    CHECK_THROWS_AS(tools.manager().make("b.scope", {}), std::runtime_error);
    CHECK_THROWS_AS(tools.manager().stop("b.scope"), std::runtime_error);
}

TEST_CASE("a unit that is gone has been stopped") {
    const Tools tools;
    tools.write("systemctl", "exit 5");
    CHECK_NOTHROW(tools.manager().stop("b.scope"));
    CHECK_THAT(tools.calls(), !Catch::Contains("ResetFailedUnit"));
    tools.write("systemctl", "exit 1");
    CHECK_THROWS_AS(tools.manager().stop("b.scope"), std::runtime_error);
}

}  // namespace tenon::test
