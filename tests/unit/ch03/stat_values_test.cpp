// The forms in which cgroupfs writes numbers.
#include <stdexcept>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "tenon/cgroup_options.hpp"
#include "tenon/cgroup_stats.hpp"

namespace tenon::test {

using namespace std::chrono_literals;

TEST_CASE("parse_kernel_value reads a number or max") {
    CHECK(parse_kernel_value("0\n") == 0);
    CHECK(parse_kernel_value("4096\n") == 4096);
    CHECK(parse_kernel_value("max\n") == no_limit);
    CHECK(parse_kernel_value("18446744073709551615\n") == no_limit);
    for (const char* text : {"", "\n", "12 34\n", "-1\n", "maximum\n", "18446744073709551616\n"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_kernel_value(text), std::runtime_error);
    }
}

TEST_CASE("parse_flat_keyed reads key value lines and passes over others") {
    const auto values = parse_flat_keyed(
        "low 0\nhigh 12\nmax 345\n\nno-value\nnegative -1\ntwo 1 2\nword max\nlast 7");
    CHECK(values.size() == 4);
    CHECK(values.at("low") == 0);
    CHECK(values.at("high") == 12);
    CHECK(values.at("max") == 345);
    CHECK(values.at("last") == 7);
    CHECK(parse_flat_keyed("").empty());
}

TEST_CASE("parse_io_stat reads each disk's words in any order") {
    const auto devices = parse_io_stat(
        "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"
        "254:16 wios=40 rbytes=10 cost.usage=9 nonsense rios=\n"
        "7:0\n"
        "not-a-disk rbytes=1\n"
        "(unknown) rbytes=1\n");
    REQUIRE(devices.size() == 3);
    const IoStats& first = devices.at({.major = 8, .minor = 0});
    CHECK(first.read_bytes == 1);
    CHECK(first.write_bytes == 2);
    CHECK(first.read_operations == 3);
    CHECK(first.write_operations == 4);
    const IoStats& second = devices.at({.major = 254, .minor = 16});
    CHECK(second.read_bytes == 10);
    CHECK(second.write_operations == 40);
    CHECK(second.read_operations == 0);
    CHECK(devices.at({.major = 7, .minor = 0}).read_bytes == 0);
}

TEST_CASE("parse_pressure reads some and full") {
    const Pressure pressure = parse_pressure(
        "some avg10=1.53 avg60=0.87 avg300=0.20 total=123456\n"
        "full avg10=0.50 avg60=0.10 avg300=0.00 total=789\n");
    CHECK(pressure.some == 123456us);
    CHECK(pressure.full == 789us);
    CHECK(pressure.some_avg10 == 1.53);
    CHECK(pressure.full_avg10 == 0.5);
    // Before Linux 5.13 cpu.pressure has no full line.
    CHECK(parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n").full == 0us);
    CHECK(parse_pressure("").some == 0us);
}

TEST_CASE("oom_sentence speaks up only when somebody was killed") {
    CgroupStats stats;
    CHECK(oom_sentence(stats).empty());
    stats.memory = MemoryStats{.max = 64U << 20, .oom = 3};
    CHECK(oom_sentence(stats).empty());
    stats.memory->oom_kill = 1;
    CHECK(oom_sentence(stats) ==
          "out of memory: the kernel killed 1 process of the container (memory.max 64.0 MiB, "
          "oom_kill 1)");
    stats.memory->oom_kill = 2;
    stats.memory->max = no_limit;
    CHECK(oom_sentence(stats) ==
          "out of memory: the kernel killed 2 processes of the container (memory.max max, "
          "oom_kill 2)");
}

TEST_CASE("a group that was killed whole is called that, not counted") {
    CgroupStats stats;
    stats.memory =
        MemoryStats{.max = 64U << 20, .oom_kill = 1 + random_below(9), .oom_group_kill = 1};
    CHECK(oom_sentence(stats) ==
          "out of memory: the kernel killed every process of the container (memory.max 64.0 MiB, "
          "oom_kill " +
              std::to_string(stats.memory->oom_kill) + ")");
    CHECK(usage_table(stats).find(": KILLED every process\n") != std::string::npos);
    stats.memory->oom_kill = 0;  // of a kernel that counts the group alone
    CHECK(oom_sentence(stats).empty());
}

TEST_CASE("usage_table has a line for what was measured, and no other") {
    CgroupStats stats;
    stats.cpu = {.usage = 1'500'000us, .user = 1'000'000us, .system = 500'000us};
    CHECK(usage_table(stats) == "cpu           1.50 s (user 1.00 s, system 0.50 s)\n");
}

TEST_CASE("usage_table says which limit bit") {
    CgroupStats stats;
    stats.cpu = {
        .usage = 2'000'000us, .periods = 30, .throttled_periods = 20, .throttled = 3'000'000us};
    stats.memory = MemoryStats{.current = 0,
                               .peak = 64U << 20,
                               .max = 64U << 20,
                               .swap_current = 512,
                               .high_events = 1,
                               .max_events = 7,
                               .oom_kill = 2};
    stats.pids = PidsStats{.current = 0, .peak = 32, .max = 32, .max_events = 5};
    stats.io = {
        {{.major = 8, .minor = 0}, {.read_bytes = 1536, .write_bytes = 0, .read_operations = 3}}};
    stats.cpu_pressure = Pressure{.some = 250'000us};
    stats.io_pressure = Pressure{};
    CHECK(usage_table(stats) ==
          "memory        64.0 MiB at most, limit 64.0 MiB, at the limit 7 times, slowed down 1 "
          "time: KILLED 2 processes\n"
          "swap          512 B\n"
          "cpu           2.00 s (user 0.00 s, system 0.00 s): THROTTLED in 20 of 30 periods, "
          "3.00 s\n"
          "pids          32 at most, limit 32: REFUSED 5 forks (EAGAIN)\n"
          "disk 8:0      read 1.5 KiB in 3, written 0 B in 0\n"
          "waited        cpu 0.25 s, io 0.00 s\n");
}

TEST_CASE("usage_table does without peaks where the kernel has none") {
    CgroupStats stats;
    stats.memory = MemoryStats{.current = 1023};
    stats.pids = PidsStats{.current = 1};
    const std::string table = usage_table(stats);
    CHECK(table.starts_with("memory        1023 B\n"));
    CHECK(table.find("pids          1\n") != std::string::npos);
}

}  // namespace tenon::test
