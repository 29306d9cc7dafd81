/// @file
/// Chapter 03, the wish: what a container may use, as data.
///
/// Nothing here makes a system call. Limits are what a user asked for; settings are what is
/// written for it, file by file; cgroup.hpp writes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace tenon {

/// Bytes, processes or operations without end: the kernel's word for it is `max`.
inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

/// How much CPU time all processes of a group get together in each period.
struct CpuMax {
    std::optional<std::chrono::microseconds> quota;  ///< none: `max`
    std::chrono::microseconds period{100'000};       ///< 1 ms to 1 s
    bool operator==(const CpuMax&) const = default;
};

/// A disk, as the kernel numbers it (`8:0`): a whole disk, never a partition of it.
struct BlockDevice {
    unsigned major = 0;
    unsigned minor = 0;
    bool operator==(const BlockDevice&) const = default;
    bool operator<(const BlockDevice& other) const {
        return std::tie(major, minor) < std::tie(other.major, other.minor);
    }
};

/// Reads `8:0`; nothing for any other text.
std::optional<BlockDevice> parse_device_number(std::string_view text);

/// How fast a group may use one disk. What is not given stays as it was.
struct IoMax {
    BlockDevice device;
    std::optional<std::uint64_t> read_bytes;        ///< per second: rbps
    std::optional<std::uint64_t> write_bytes;       ///< per second: wbps
    std::optional<std::uint64_t> read_operations;   ///< per second: riops
    std::optional<std::uint64_t> write_operations;  ///< per second: wiops
    bool operator==(const IoMax&) const = default;
};

/// What a container may use. What is not given is not written: the parent's limit holds.
/// @see Linux, Documentation/admin-guide/cgroup-v2.rst, "Controllers"
struct CgroupLimits {
    std::optional<std::uint64_t> memory_max;   ///< bytes; above it the OOM killer comes
    std::optional<std::uint64_t> memory_high;  ///< bytes; above it processes are slowed down
    std::optional<std::uint64_t> memory_low;   ///< bytes; reclaimed from others first
    std::optional<std::uint64_t> memory_min;   ///< bytes; never reclaimed
    std::optional<std::uint64_t> swap_max;     ///< bytes of swap, not counting memory
    std::optional<bool> oom_group;             ///< kill all processes of the group, or one
    std::optional<CpuMax> cpu_max;
    std::optional<std::chrono::microseconds> cpu_burst;  ///< unused quota that may be saved up
    std::optional<std::uint64_t> cpu_weight;             ///< 1 to 10000; 100 is everybody's
    std::optional<bool> cpu_idle;                        ///< only what nobody else wants
    std::string cpuset_cpus;                             ///< `0-2,7`; empty: not given
    std::string cpuset_mems;                             ///< memory nodes
    std::optional<std::uint64_t> pids_max;               ///< processes and threads
    std::vector<IoMax> io_max;
    std::optional<std::uint64_t> io_weight;            ///< 1 to 10000, for every disk
    std::map<BlockDevice, std::uint64_t> io_weights;   ///< for one disk
    std::map<std::string, std::uint64_t> hugetlb_max;  ///< `2MB` -> bytes
    std::map<std::string, std::string> rdma_max;       ///< device -> `hca_handle=2 hca_object=9`
    std::map<std::string, std::string> unified;        ///< file -> value, written last, as it is

    bool operator==(const CgroupLimits&) const = default;
    /// Whether nothing is asked for.
    [[nodiscard]] bool empty() const { return *this == CgroupLimits{}; }
};

/// One write: this value into this file of the group.
struct CgroupSetting {
    std::string file;  ///< `memory.max`
    std::string value;
    bool operator==(const CgroupSetting&) const = default;
};

/// Exercise 03.2. What has to be written for @p limits, in an order the kernel accepts:
/// cpu.weight before cpu.idle, the `unified` entries last.
std::vector<CgroupSetting> settings_for(const CgroupLimits& limits);

/// Names of controllers: `cpu`, `memory` ...
using ControllerSet = std::set<std::string, std::less<>>;

/// The controllers that own the files of @p settings: `memory` for memory.max. The kernel's core
/// files (cgroup.*) need none.
ControllerSet controllers_for(const std::vector<CgroupSetting>& settings);

// ---- values as people type them ------------------------------------------------------------
// All throw std::invalid_argument, with the text and what was expected in the message.

/// `64m`, `1.5g`, `512k`, `1048576`, `10MiB`: bytes, in powers of 1024. `0`, `-1` and `max` are
/// no_limit. Rejects what does not fit into 63 bits, as the kernel would.
std::uint64_t parse_bytes(std::string_view text);

/// `10mb`, `10MB/s`: bytes per second, read as parse_bytes does.
std::uint64_t parse_rate(std::string_view text);

/// A whole number; `0`, `-1` and `max` are no_limit.
std::uint64_t parse_count(std::string_view text);

/// `0.5`: half a CPU in each period of 100 ms. `0` and `max` are no limit.
/// The kernel takes no quota below 1 ms: 0.01 CPUs.
CpuMax parse_cpus(std::string_view text);

/// 1 to 10000. @param what  what is shared by it, for the message: `CPU time`
std::uint64_t parse_weight(std::string_view text, std::string_view what);

/// Checks `0-2,7` for its form; which CPUs exist is the kernel's to judge.
std::string parse_cpu_list(std::string_view text);

/// `KEY=VALUE` of the unified map. Refuses what would move, freeze or kill processes or leave the
/// group (cgroup.procs, `../x`): only controllers' files, cgroup.max.depth and
/// cgroup.max.descendants.
CgroupSetting parse_unified(std::string_view text);

/// As parse_unified(), for an entry already taken apart (config.json's `unified`).
/// @throws std::invalid_argument  a key that is refused
void check_unified_key(std::string_view key);

}  // namespace tenon
