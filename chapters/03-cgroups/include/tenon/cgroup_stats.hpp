/// @file
/// Chapter 03, the answer: what a group has used, and which limit stopped it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tenon/cgroup_limits.hpp"

namespace tenon {

/// @see Linux, Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files"
struct MemoryStats {
    std::uint64_t current = 0;          ///< bytes
    std::optional<std::uint64_t> peak;  ///< bytes, since Linux 5.19
    std::uint64_t max = no_limit;       ///< the limit
    std::uint64_t swap_current = 0;     ///< bytes
    // memory.events, with those of the groups below:
    std::uint64_t high_events = 0;     ///< slowed down at memory.high
    std::uint64_t max_events = 0;      ///< stopped at memory.max to reclaim
    std::uint64_t oom = 0;             ///< reclaim did not help
    std::uint64_t oom_kill = 0;        ///< processes killed
    std::uint64_t oom_group_kill = 0;  ///< groups killed whole
};

/// CPU time is counted in every group, throttling only with the controller.
struct CpuStats {
    std::chrono::microseconds usage{};
    std::chrono::microseconds user{};
    std::chrono::microseconds system{};
    std::uint64_t periods = 0;              ///< with something to run
    std::uint64_t throttled_periods = 0;    ///< of these, ended by the quota
    std::chrono::microseconds throttled{};  ///< waited, over all CPUs
};

struct PidsStats {
    std::uint64_t current = 0;
    std::optional<std::uint64_t> peak;  ///< since Linux 6.1
    std::uint64_t max = no_limit;       ///< the limit
    std::uint64_t max_events = 0;       ///< forks refused with EAGAIN
};

struct IoStats {
    std::uint64_t read_bytes = 0;
    std::uint64_t write_bytes = 0;
    std::uint64_t read_operations = 0;
    std::uint64_t write_operations = 0;
};

/// Pressure Stall Information: how long processes waited for a resource. @see Linux,
/// Documentation/accounting/psi.rst
struct Pressure {
    std::chrono::microseconds some{};  ///< at least one process waited
    std::chrono::microseconds full{};  ///< all of them did
    double some_avg10 = 0;             ///< percent of the last 10 s
    double full_avg10 = 0;
};

/// What a group has used. A part is missing where its controller is not enabled, the pressures
/// where the kernel does not measure them.
struct CgroupStats {
    CpuStats cpu;
    std::optional<MemoryStats> memory;
    std::optional<PidsStats> pids;
    std::optional<std::map<BlockDevice, IoStats>> io;
    std::optional<Pressure> cpu_pressure;
    std::optional<Pressure> memory_pressure;
    std::optional<Pressure> io_pressure;
};

/// `key value` lines, as in memory.events. Lines of another form are passed over: the kernel adds
/// new ones. @see cgroup-v2.rst, "Interface Files", flat keyed
std::map<std::string, std::uint64_t, std::less<>> parse_flat_keyed(std::string_view text);

/// io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6` lines (nested keyed).
std::map<BlockDevice, IoStats> parse_io_stat(std::string_view text);

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and `full` likewise.
Pressure parse_pressure(std::string_view text);

/// A single value, `max` being no_limit. @throws std::runtime_error  neither
std::uint64_t parse_kernel_value(std::string_view text);

}  // namespace tenon
