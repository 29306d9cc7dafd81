// Values as people type them: what is read, and what is refused.
#include <fmt/format.h>

#include <stdexcept>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "tenon/cgroup_limits.hpp"

namespace tenon::test {

namespace {

// What a text is refused with, or "accepted".
template <typename Parse>
std::string complaint(const Parse& parse) {
    try {
        static_cast<void>(parse());
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("parse_bytes reads sizes in powers of 1024") {
    const auto [text, bytes] = GENERATE(table<const char*, std::uint64_t>({
        {"1", 1},
        {"1048576", 1048576},
        {"512k", 524288},
        {"64m", 67108864},
        {"64M", 67108864},
        {"64mb", 67108864},
        {"64MiB", 67108864},
        {"1.5g", 1610612736},
        {"0.5k", 512},
        {"10b", 10},
        {"2t", 2199023255552},
        {"1p", 1125899906842624},
        {"1.000001k", 1024},
        {"9223372036854775807", 9223372036854775807U},
        {"8191p", 9222246136947933184U},
    }));
    CAPTURE(text);
    CHECK(parse_bytes(text) == bytes);
}

TEST_CASE("parse_bytes takes 0, -1 and max for no limit") {
    for (const char* text : {"0", "-1", "max", "0k", "0.0", "00"}) {
        CAPTURE(text);
        CHECK(parse_bytes(text) == no_limit);
    }
}

TEST_CASE("a size that rounds down to nothing is not taken for no limit") {
    for (const char* text : {"0.5", "0.9b", "0.0001k", "0.000001", "0.0009K", "00.1"}) {
        CAPTURE(text);
        CHECK(complaint([&] {
                  return parse_bytes(text);
              }).starts_with(fmt::format("'{}' is not a size: ", text)));
        CHECK(complaint([&] {
                  return parse_rate(text);
              }).starts_with(fmt::format("'{}' is not a rate: ", text)));
    }
    for (const char* text : {"0.0m", "0b", "0kib", "0.000000", "000g"}) {
        CAPTURE(text);
        CHECK(parse_bytes(text) == no_limit);
        CHECK(parse_rate(text) == no_limit);
    }
    CHECK(parse_bytes("0.001k") == 1);  // 1.024 bytes
    CHECK(parse_rate("0.5k/s") == 512);
}

TEST_CASE("parse_bytes refuses what is no size") {
    for (const char* text : {"",
                             " ",
                             "m",
                             "b",
                             "ib",
                             "1x",
                             "1 m",
                             " 1m",
                             "1m ",
                             "-2",
                             "+1",
                             "1,5m",
                             "1.m",
                             ".5m",
                             "1..5m",
                             "0x10",
                             "1e3",
                             "1mm",
                             "10ib",
                             "1bb",
                             "1kmb",
                             "Max",
                             "1.0000001k",
                             "nan",
                             "9223372036854775808",
                             "18446744073709551616",
                             "8192p",
                             "9999999999999p"}) {
        CAPTURE(text);
        const std::string why = complaint([&] { return parse_bytes(text); });
        CHECK(why.starts_with(fmt::format("'{}' is not a size: ", text)));
    }
}

TEST_CASE("parse_bytes reads back any number of bytes") {
    const std::uint64_t bytes = 1 + random_below(9'000'000'000'000'000'000U);
    CHECK(parse_bytes(std::to_string(bytes)) == bytes);
}

TEST_CASE("parse_rate reads bytes per second") {
    CHECK(parse_rate("10mb") == 10485760);
    CHECK(parse_rate("10MB/s") == 10485760);
    CHECK(parse_rate("1.5k/s") == 1536);
    CHECK(parse_rate("65536") == 65536);
    CHECK(parse_rate("max") == no_limit);
    CHECK(parse_rate("0") == no_limit);
    for (const char* text : {"", "/s", "10mb/", "10mb/m", "10mb/s/s", "fast", "max/s"}) {
        CAPTURE(text);
        CHECK(complaint([&] {
                  return parse_rate(text);
              }).starts_with(fmt::format("'{}' is not a rate: ", text)));
    }
}

TEST_CASE("parse_count reads whole numbers") {
    CHECK(parse_count("32") == 32);
    CHECK(parse_count("9223372036854775807") == 9223372036854775807U);
    for (const char* text : {"0", "-1", "max"}) CHECK(parse_count(text) == no_limit);
    for (const char* text : {"", "1k", "1.5", "-2", "many", "9223372036854775808", " 1"}) {
        CAPTURE(text);
        CHECK(complaint([&] {
                  return parse_count(text);
              }).starts_with(fmt::format("'{}' is not a whole number", text)));
    }
}

TEST_CASE("parse_cpus reads a part of 100 ms") {
    const auto [text, quota] = GENERATE(table<const char*, long>({
        {"0.5", 50'000},
        {"1", 100'000},
        {"1.5", 150'000},
        {"2", 200'000},
        {"0.01", 1000},
        {"0.123456", 12'345},
        {"64", 6'400'000},
    }));
    CAPTURE(text);
    const CpuMax wanted{.quota = std::chrono::microseconds{quota}};
    CHECK((parse_cpus(text) == wanted));
}

TEST_CASE("parse_cpus knows no limit, and refuses the rest") {
    CHECK((parse_cpus("0") == CpuMax{}));
    CHECK((parse_cpus("max") == CpuMax{}));
    CHECK_FALSE(parse_cpus("max").quota.has_value());
    for (const char* text : {"", "0.001", "0.009999", "-1", "half", "1,5", "50%", "1e2", "0.0",
                             "99999999999999999999"}) {
        CAPTURE(text);
        CHECK(complaint([&] {
                  return parse_cpus(text);
              }).starts_with(fmt::format("'{}' is not a number of CPUs", text)));
    }
}

TEST_CASE("parse_weight reads 1 to 10000 and names whose it is") {
    CHECK(parse_weight("1", "x") == 1);
    CHECK(parse_weight("10000", "x") == 10'000);
    for (const char* text : {"", "0", "10001", "-1", "max", "100.0"}) {
        CAPTURE(text);
        CHECK(complaint([&] {
                  return parse_weight(text, "--cpu-weight");
              }).starts_with(fmt::format("'{}' is not a weight for --cpu-weight", text)));
    }
}

TEST_CASE("parse_cpu_list checks the form of a list") {
    for (const char* text : {"0", "0-2", "0-2,7", "1,3,5", "7,0-2", "4-4"}) {
        CHECK(parse_cpu_list(text) == text);
    }
    for (const char* text : {"", ",", "0,", ",0", "0,,1", "2-1", "-1", "1-", "0-1-2", "a", "0 1",
                             "0;1", "0-2,x", "\n"}) {
        CAPTURE(text);
        CHECK(complaint([&] { return parse_cpu_list(text); }) != "accepted");
    }
}

TEST_CASE("parse_unified takes files of controllers") {
    CHECK((parse_unified("memory.high=67108864") == CgroupSetting{"memory.high", "67108864"}));
    CHECK((parse_unified("io.max=8:0 rbps=1") == CgroupSetting{"io.max", "8:0 rbps=1"}));
    CHECK((parse_unified("hugetlb.2MB.max=0") == CgroupSetting{"hugetlb.2MB.max", "0"}));
    CHECK((parse_unified("cgroup.max.depth=3") == CgroupSetting{"cgroup.max.depth", "3"}));
}

TEST_CASE("parse_unified refuses what would leave the group, or move, freeze or kill") {
    for (const char* text : {"",
                             "=",
                             "memory.high",
                             "memory.high=",
                             "=1",
                             "memory=1",
                             ".high=1",
                             "memory.=1",
                             "../memory.high=1",
                             "a/memory.high=1",
                             "/memory.high=1",
                             "..=1",
                             "memory high.x=1",
                             "cgroup.procs=1",
                             "cgroup.threads=1",
                             "cgroup.kill=1",
                             "cgroup.freeze=1",
                             "cgroup.type=threaded",
                             "cgroup.subtree_control=+memory",
                             "cgroup.pressure=0"}) {
        CAPTURE(text);
        CHECK(complaint([&] { return parse_unified(text); }) != "accepted");
    }
    CHECK_THROWS_AS(check_unified_key("cgroup.procs"), std::invalid_argument);
    CHECK_NOTHROW(check_unified_key("memory.swap.high"));
}

TEST_CASE("a key with a null byte is refused, not cut short") {
    using namespace std::string_literals;
    CHECK_THROWS_AS(check_unified_key("memory.high\0/../x"s), std::invalid_argument);
}

TEST_CASE("parse_device_number reads MAJOR:MINOR and nothing else") {
    CHECK((parse_device_number("8:16") == BlockDevice{8, 16}));
    CHECK((parse_device_number("0:0") == BlockDevice{0, 0}));
    for (const char* text : {"", ":", "8", "8:", ":0", "8:0:0", "8:0 ", "a:b", "-8:0", "/dev/sda",
                             "8:0x1", "4294967296:0"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_device_number(text).has_value());
    }
}

TEST_CASE("controllers_for names the owners of the files") {
    const std::vector<CgroupSetting> settings{{"memory.max", "1"},      {"memory.swap.max", "1"},
                                              {"hugetlb.2MB.max", "1"}, {"cgroup.max.depth", "1"},
                                              {"cpuset.cpus", "0"},     {"cpu.max", "max"}};
    CHECK(controllers_for(settings) == ControllerSet{"cpu", "cpuset", "hugetlb", "memory"});
    CHECK(controllers_for({}).empty());
}

TEST_CASE("CgroupLimits are empty until something is asked for") {
    CgroupLimits limits;
    CHECK(limits.empty());
    limits.oom_group = false;
    CHECK_FALSE(limits.empty());
    CgroupLimits unified;
    unified.unified = {{"memory.high", "1"}};
    CHECK_FALSE(unified.empty());
}

}  // namespace tenon::test
