// limits_from: the words of cgroup v1 in a config, and what becomes of them.
#include <fmt/format.h>

#include <stdexcept>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "tenon/bundle_plan.hpp"

namespace tenon::test {

namespace {

std::string complaint(const oci::Resources& resources) {
    try {
        static_cast<void>(limits_from(resources));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

oci::Resources with_memory(const oci::Memory& memory) {
    oci::Resources resources;
    resources.memory = memory;
    return resources;
}

oci::Resources with_cpu(const oci::Cpu& cpu) {
    oci::Resources resources;
    resources.cpu = cpu;
    return resources;
}

// What the settings write into `file`; empty when nothing.
std::string written(const oci::Resources& resources, const std::string& file) {
    std::string values;
    for (const CgroupSetting& setting : settings_for(limits_from(resources))) {
        if (setting.file == file) values += (values.empty() ? "" : "; ") + setting.value;
    }
    return values;
}

}  // namespace

TEST_CASE("the zeros that engines send ask for nothing, and so for no controller") {
    oci::Resources docker;
    docker.memory = oci::Memory{};
    docker.cpu = oci::Cpu{.shares = 0, .quota = 0, .period = 0, .realtime_runtime = 0};
    docker.pids = oci::Pids{.limit = 0};
    docker.block_io = oci::BlockIo{.weight = 0};
    docker.memory->swappiness = 0;
    docker.memory->disable_oom_killer = false;
    docker.network = oci::NetworkClass{};
    CHECK(limits_from(docker).empty());
    CHECK(limits_from({}).empty());
}

TEST_CASE("memory is a limit, -1 is none, and swap is counted alone", "[uses-03.2]") {
    const std::uint64_t limit = std::uint64_t{1} + random_below(1U << 30);
    const auto both = static_cast<std::int64_t>(limit + 4096);
    const oci::Resources given =
        with_memory({.limit = static_cast<std::int64_t>(limit), .reservation = 8192, .swap = both});
    CHECK(written(given, "memory.max") == std::to_string(limit));
    CHECK(written(given, "memory.low") == "8192");
    CHECK(written(given, "memory.swap.max") == "4096");
    const oci::Resources none = with_memory({.limit = -1, .reservation = -1, .swap = -1});
    CHECK(written(none, "memory.max") == "max");
    CHECK(written(none, "memory.low") == "max");
    CHECK(written(none, "memory.swap.max") == "max");
    const oci::Resources same = with_memory({.limit = 4096, .swap = 4096});
    CHECK(written(same, "memory.swap.max") == "0");
}

TEST_CASE("swap without a memory limit, or less than it, cannot be told apart") {
    CHECK(complaint(with_memory({.swap = 4096})).starts_with("/linux/resources/memory/swap"));
    CHECK(complaint(with_memory({.limit = -1, .swap = 4096})) != "accepted");
    CHECK(complaint(with_memory({.limit = 8192, .swap = 4096})) != "accepted");
}

TEST_CASE("shares become a weight: the ends and the defaults meet") {
    const auto [shares, weight] = GENERATE(table<std::uint64_t, std::uint64_t>({
        {1, 1},
        {2, 1},
        {1024, 100},
        {262144, 10000},
        {300000, 10000},
    }));
    CHECK(weight_from_shares(shares) == weight);
}

TEST_CASE("more shares are never less weight") {
    std::uint64_t before = 0;
    for (std::uint64_t shares = 2; shares <= 262144; shares += 1 + shares / 50) {
        const std::uint64_t weight = weight_from_shares(shares);
        REQUIRE(weight >= before);
        REQUIRE(weight >= 1);
        REQUIRE(weight <= 10000);
        before = weight;
    }
}

TEST_CASE("quota and period are one line; either alone has a default for the other",
          "[uses-03.2]") {
    CHECK(written(with_cpu({.quota = 50000, .period = 200000}), "cpu.max") == "50000 200000");
    CHECK(written(with_cpu({.quota = 50000}), "cpu.max") == "50000 100000");
    CHECK(written(with_cpu({.period = 200000}), "cpu.max") == "max 200000");
    CHECK(written(with_cpu({.quota = -1}), "cpu.max") == "max 100000");
    CHECK(complaint(with_cpu({.period = 1ULL << 63})).starts_with("/linux/resources/cpu/period"));
}

TEST_CASE("burst is written after the quota, idle after the weight, sets as they are",
          "[uses-03.2]") {
    const oci::Resources given = with_cpu(
        {.shares = 1024, .quota = 50000, .burst = 1000, .cpus = "0-1", .mems = "0", .idle = 1});
    std::vector<std::string> files;
    for (const CgroupSetting& setting : settings_for(limits_from(given))) {
        files.push_back(setting.file);
    }
    const std::vector<std::string> expected{"cpu.max",     "cpu.weight",  "cpu.idle",
                                            "cpuset.cpus", "cpuset.mems", "cpu.max.burst"};
    CHECK(files == expected);
    CHECK(written(given, "cpu.max.burst") == "1000");
    CHECK(written(given, "cpu.weight") == "100");
    CHECK(written(given, "cpuset.cpus") == "0-1");
}

TEST_CASE("pids: a number, or no limit for what is below zero", "[uses-03.2]") {
    const auto with_pids = [](std::int64_t limit) {
        oci::Resources resources;
        resources.pids = oci::Pids{.limit = limit};
        return resources;
    };
    CHECK(written(with_pids(77), "pids.max") == "77");
    CHECK(written(with_pids(-1), "pids.max") == "max");
    CHECK(written(with_pids(0), "pids.max").empty());
}

TEST_CASE("disks: weights are stretched, and limits of one disk are one line", "[uses-03.2]") {
    oci::Resources resources;
    resources.block_io = oci::BlockIo{.weight = 500};
    resources.block_io->weight_device = {{.major = 8, .minor = 16, .weight = 10}};
    resources.block_io->throttle_read_bps_device = {{8, 0, 1000}, {8, 16, 0}};
    resources.block_io->throttle_write_iops_device = {{8, 0, 20}};
    CHECK(written(resources, "io.weight") == "default 4950; 8:16 1");
    CHECK(written(resources, "io.max") == "8:0 rbps=1000 wiops=20");
    CHECK(weight_from_blkio(1000) == 10000);
    resources.block_io->weight = 5;
    CHECK(complaint(resources).starts_with("/linux/resources/blockIO/weight"));
    resources.block_io->weight = 0;
    resources.block_io->throttle_read_bps_device = {{-1, 0, 5}};
    CHECK(complaint(resources).find("-1:0") != std::string::npos);
}

TEST_CASE("huge pages and RDMA are named by size and device", "[uses-03.2]") {
    oci::Resources resources;
    resources.hugepage_limits = {{"2MB", 4194304}, {"1GB", 0}};
    resources.rdma = {{"mlx5_0", {.hca_handles = 3, .hca_objects = 10000}}, {"hfi1", {}}};
    CHECK(written(resources, "hugetlb.2MB.max") == "4194304");
    CHECK(written(resources, "hugetlb.1GB.max") == "0");
    CHECK(written(resources, "rdma.max") == "mlx5_0 hca_handle=3 hca_object=10000");
    const char* const size = GENERATE("", "../2MB", "2MB.max", "2 MB");
    resources.hugepage_limits = {{size, 1}};
    CHECK(complaint(resources).starts_with("/linux/resources/hugepageLimits"));
}

TEST_CASE("unified comes last, as it is, and leaves no group", "[uses-03.2]") {
    oci::Resources resources = with_memory({.limit = 4096});
    resources.unified = {{"memory.high", "max"}, {"memory.max", "8192"}};
    const std::vector<CgroupSetting> all = settings_for(limits_from(resources));
    CHECK(all.back() == CgroupSetting{"memory.max", "8192"});
    CHECK(all.front() == CgroupSetting{"memory.max", "4096"});
    const char* const key =
        GENERATE("cgroup.procs", "cgroup.kill", "../memory.max", "a/memory.max", "memory", "");
    resources.unified = {{key, "1"}};
    CHECK(complaint(resources).starts_with("/linux/resources/unified"));
}

TEST_CASE("what v2 has no file for is refused by its place") {
    oci::Resources leaf;
    leaf.block_io = oci::BlockIo{.leaf_weight = 10};
    oci::Resources classes;
    classes.network = oci::NetworkClass{.class_id = 7};
    oci::Resources priorities;
    priorities.network = oci::NetworkClass{.priorities = {{"eth0", 1}}};
    CHECK(complaint(with_memory({.kernel = 4096})).find("memory/kernel:") != std::string::npos);
    CHECK(complaint(with_memory({.kernel_tcp = 1})).find("kernelTCP") != std::string::npos);
    CHECK(complaint(with_memory({.swappiness = 60})).find("swappiness") != std::string::npos);
    CHECK(complaint(with_memory({.disable_oom_killer = true})) != "accepted");
    CHECK(complaint(with_memory({.use_hierarchy = false})) != "accepted");
    CHECK(complaint(with_memory({.use_hierarchy = true})) == "accepted");
    CHECK(complaint(with_cpu({.realtime_runtime = 5})).find("realtime") != std::string::npos);
    CHECK(complaint(with_cpu({.realtime_period = 5})).find("realtime") != std::string::npos);
    CHECK(complaint(leaf).find("leafWeight") != std::string::npos);
    CHECK(complaint(classes).find("classID") != std::string::npos);
    CHECK(complaint(priorities).find("priorities") != std::string::npos);
}

}  // namespace tenon::test
