// 03.2: limits, as the lines that the kernel reads. That they hold is in limits_hold_test.cpp.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

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
using namespace std::chrono_literals;

// All values for one file, in the order in which they are to be written.
std::vector<std::string> values_for(const CgroupLimits& limits, std::string_view file) {
    std::vector<std::string> values;
    for (const CgroupSetting& setting : settings_for(limits)) {
        if (setting.file != file) continue;
        step(setting.file + " <- " + setting.value);
        values.push_back(setting.value);
    }
    return values;
}

std::string only_value_for(const CgroupLimits& limits, std::string_view file) {
    const std::vector<std::string> values = values_for(limits, file);
    return values.size() == 1 ? values[0] : fmt::format("{} values", values.size());
}

// Where in the list the first write to `file` stands.
std::ptrdiff_t place_of(const std::vector<CgroupSetting>& settings, std::string_view file) {
    const auto found = std::find_if(settings.begin(), settings.end(),
                                    [&](const CgroupSetting& s) { return s.file == file; });
    return found - settings.begin();
}

void expect_value(const std::string& file, const std::string& got, const std::string& wanted) {
    TENON_EXPECT(got == wanted, fmt::format("{} <- {}", file, wanted), got);
}

// A group as a plain folder, in another that has the same files, all empty.
struct Groups {
    TemporaryDirectory directory;
    fs::path parent = directory.path();
    fs::path group = parent / "group";
    UniqueFd fd;

    explicit Groups(const std::vector<const char*>& files) {
        fs::create_directory(group);
        for (const char* file : files) {
            write_file(parent / file, "");
            write_file(group / file, "");
        }
        fd = sys::openat(FdRef::working_directory(), group, O_RDONLY | O_DIRECTORY);
    }
};

}  // namespace

TEST_CASE("settings_for asks for nothing when nothing is wanted", "[03.2]") {
    const std::size_t count = settings_for({}).size();
    TENON_EXPECT(count == 0, "no settings", fmt::format("{}", count));
}

TEST_CASE("settings_for writes memory in bytes", "[03.2]") {
    const std::uint64_t bytes = 4096 * (1 + random_below(1'000'000));
    CgroupLimits limits;
    limits.memory_max = bytes;
    limits.memory_high = bytes + 1;
    limits.memory_low = bytes + 2;
    limits.memory_min = bytes + 3;
    limits.swap_max = 0;
    limits.oom_group = true;
    const auto expect = [&](const char* file, std::uint64_t wanted) {
        expect_value(file, only_value_for(limits, file), std::to_string(wanted));
    };
    expect("memory.max", bytes);
    expect("memory.high", bytes + 1);
    expect("memory.low", bytes + 2);
    expect("memory.min", bytes + 3);
    expect("memory.swap.max", 0);
    expect("memory.oom.group", 1);
}

TEST_CASE("settings_for says max where there is to be no limit", "[03.2]") {
    CgroupLimits limits;
    limits.memory_max = no_limit;
    limits.swap_max = no_limit;
    limits.pids_max = no_limit;
    for (const char* file : {"memory.max", "memory.swap.max", "pids.max"}) {
        const std::string got = only_value_for(limits, file);
        fact("max_as_number", got == std::to_string(no_limit));
        expect_value(file, got, "max");
    }
}

TEST_CASE("settings_for writes cpu.max as quota and period, in microseconds", "[03.2]") {
    const std::chrono::microseconds period{1000 * (2 + random_below(900))};
    const std::chrono::microseconds quota{1000 + random_below(2'000'000)};
    CgroupLimits limits;
    limits.cpu_max = CpuMax{.quota = quota, .period = period};
    const std::string got = only_value_for(limits, "cpu.max");
    const std::string wanted = fmt::format("{} {}", quota.count(), period.count());
    fact("period_missing", got == std::to_string(quota.count()));
    const auto blank = std::min(got.find(' '), got.size());
    const auto number = std::strtoll(got.c_str() + blank, nullptr, 10);
    fact("wrong_unit", blank < got.size() && number < period.count());
    expect_value("cpu.max", got, wanted);
}

TEST_CASE("settings_for writes cpu.max without a quota as max", "[03.2]") {
    CgroupLimits limits;
    limits.cpu_max = CpuMax{.quota = std::nullopt, .period = 100ms};
    expect_value("cpu.max", only_value_for(limits, "cpu.max"), "max 100000");
}

TEST_CASE("settings_for sets a weight before it makes the group idle", "[03.2]") {
    CgroupLimits limits;
    limits.cpu_weight = 1 + random_below(10'000);
    limits.cpu_idle = true;
    const std::vector<CgroupSetting> settings = settings_for(limits);
    const auto weight = place_of(settings, "cpu.weight");
    const auto idle = place_of(settings, "cpu.idle");
    step(fmt::format("cpu.weight is write {}, cpu.idle is write {}", weight, idle));
    fact("weight_after_idle", idle < weight);
    expect_value("cpu.weight", only_value_for(limits, "cpu.weight"),
                 std::to_string(*limits.cpu_weight));
    expect_value("cpu.idle", only_value_for(limits, "cpu.idle"), "1");
    TENON_EXPECT(weight < idle, "cpu.weight first: an idle group takes no weight (EINVAL)",
                 "cpu.idle first");
}

TEST_CASE("settings_for tells which CPUs and memory nodes", "[03.2]") {
    CgroupLimits limits;
    limits.cpuset_cpus = fmt::format("0-{}", 1 + random_below(30));
    limits.cpuset_mems = "0";
    expect_value("cpuset.cpus", only_value_for(limits, "cpuset.cpus"), limits.cpuset_cpus);
    expect_value("cpuset.mems", only_value_for(limits, "cpuset.mems"), limits.cpuset_mems);
}

TEST_CASE("settings_for limits of a disk what was asked for, in the kernel's words", "[03.2]") {
    const BlockDevice first{static_cast<unsigned>(1 + random_below(259)),
                            static_cast<unsigned>(random_below(256))};
    const BlockDevice second{first.major, first.minor + 1};
    CgroupLimits limits;
    limits.io_max = {{.device = first,
                      .read_bytes = 1'048'576,
                      .write_bytes = std::nullopt,
                      .read_operations = std::nullopt,
                      .write_operations = 100},
                     {.device = second,
                      .read_bytes = std::nullopt,
                      .write_bytes = no_limit,
                      .read_operations = 7,
                      .write_operations = std::nullopt}};
    const std::vector<std::string> got = values_for(limits, "io.max");
    const std::vector<std::string> wanted{
        fmt::format("{}:{} rbps=1048576 wiops=100", first.major, first.minor),
        fmt::format("{}:{} wbps=max riops=7", second.major, second.minor)};
    TENON_EXPECT(got.size() == 2, "a write for each disk", fmt::format("{} writes", got.size()));
    fact("io_key_unknown", got[0].find("rbps=1048576") == std::string::npos);
    for (std::size_t i = 0; i < 2; ++i) expect_value("io.max", got[i], wanted[i]);
}

TEST_CASE("settings_for gives disks a weight, all of them or one", "[03.2]") {
    CgroupLimits limits;
    limits.io_weight = 1 + random_below(10'000);
    limits.io_weights = {{{.major = 8, .minor = 16}, 50}};
    const std::vector<std::string> got = values_for(limits, "io.weight");
    TENON_EXPECT(got.size() == 2, "two writes", fmt::format("{}", got.size()));
    // The kernel takes a bare number for the default, too.
    const std::string weight = std::to_string(*limits.io_weight);
    TENON_EXPECT(got[0] == "default " + weight || got[0] == weight, "default " + weight, got[0]);
    expect_value("io.weight", got[1], "8:16 50");
}

TEST_CASE("settings_for writes huge pages by size, and the unified entries last", "[03.2]") {
    CgroupLimits limits;
    limits.unified = {{"cpu.max.burst", "1000"}, {"memory.high", "12288"}};
    limits.memory_high = 4096;
    limits.cpu_weight = 50;
    limits.hugetlb_max = {{"2MB", 2'097'152}, {"1GB", no_limit}};
    const std::vector<CgroupSetting> settings = settings_for(limits);
    for (const auto& [file, value] : settings) step(file + " <- " + value);
    const std::vector<CgroupSetting> last(settings.end() - 2, settings.end());
    const std::vector<CgroupSetting> wanted{{"cpu.max.burst", "1000"}, {"memory.high", "12288"}};
    TENON_EXPECT(last == wanted, "cpu.max.burst and memory.high, as they were given",
                 last[0].file + " and " + last[1].file);
    expect_value("hugetlb.2MB.max", only_value_for(limits, "hugetlb.2MB.max"), "2097152");
    expect_value("hugetlb.1GB.max", only_value_for(limits, "hugetlb.1GB.max"), "max");
}

TEST_CASE("settings_for writes the burst after the quota, and RDMA by device", "[uses-03.2]") {
    CgroupLimits limits;
    limits.cpu_max = CpuMax{.quota = std::chrono::microseconds{5000}};
    limits.cpu_burst = std::chrono::microseconds{1 + random_below(5000)};
    limits.rdma_max = {{"hfi1", "hca_handle=2"}, {"mlx5_0", "hca_handle=3 hca_object=9"}};
    const std::vector<CgroupSetting> settings = settings_for(limits);
    const auto place = [&](const char* file) {
        return std::find_if(settings.begin(), settings.end(),
                            [&](const CgroupSetting& setting) { return setting.file == file; });
    };
    REQUIRE(place("cpu.max.burst") != settings.end());
    CHECK(place("cpu.max.burst")->value == std::to_string(limits.cpu_burst->count()));
    CHECK(place("cpu.max") < place("cpu.max.burst"));
    CHECK(values_for(limits, "rdma.max") ==
          std::vector<std::string>{"hfi1 hca_handle=2", "mlx5_0 hca_handle=3 hca_object=9"});
}

TEST_CASE("apply_limits writes into the group, and not into the one above", "[03.2]") {
    const Groups groups({"memory.max", "pids.max", "cpu.max"});
    CgroupLimits limits;
    limits.memory_max = 4096 * (1 + random_below(1'000'000));
    limits.pids_max = 1 + random_below(1000);
    limits.cpu_max = CpuMax{.quota = 50ms, .period = 100ms};
    apply_limits(groups.fd, limits);
    const std::string here = read_file(groups.group / "memory.max");
    const std::string above = read_file(groups.parent / "memory.max");
    step(fmt::format("memory.max of the group: \"{}\", of its parent: \"{}\"", here, above));
    fact("wrong_group", here.empty() && !above.empty());
    fact("nothing_written", here.empty() && above.empty());
    expect_value("memory.max", here, std::to_string(*limits.memory_max));
    expect_value("pids.max", read_file(groups.group / "pids.max"),
                 std::to_string(*limits.pids_max));
    expect_value("cpu.max", read_file(groups.group / "cpu.max"), "50000 100000");
    TENON_EXPECT(above.empty(), "the parent's file is as before", above);
}

TEST_CASE("apply_limits says which file is not there", "[03.2]") {
    const Groups groups({"pids.max"});
    CgroupLimits limits;
    limits.memory_max = 4096;
    limits.pids_max = 7;
    const std::string got = refusal([&] { apply_limits(groups.fd, limits); });
    step("memory.max does not exist in this group");
    TENON_EXPECT(got == "openat memory.max: ENOENT", "openat memory.max: ENOENT", got);
}

}  // namespace tenon::test
