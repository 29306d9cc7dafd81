/// @file
/// config.json as plain structs: `linux.resources`, what a container may use.
///
/// The spec's words are those of cgroup v1; what they become in v2 is said by limits_from().
/// @see runtime-spec config-linux.md, "Control groups"
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tenon::oci {

/// A rule of the device list: later ones override earlier ones.
struct DeviceRule {
    bool allow = false;
    std::string type;                   ///< a c b; empty: a
    std::optional<std::int64_t> major;  ///< none: any
    std::optional<std::int64_t> minor;
    std::string access;  ///< of r, w and m
    bool operator==(const DeviceRule&) const = default;
};

/// Bytes; -1 is no limit.
struct Memory {
    std::optional<std::int64_t> limit;
    std::optional<std::int64_t> reservation;
    std::optional<std::int64_t> swap;  ///< memory and swap together
    std::optional<std::int64_t> kernel;
    std::optional<std::int64_t> kernel_tcp;
    std::optional<std::uint64_t> swappiness;
    std::optional<bool> disable_oom_killer;
    std::optional<bool> use_hierarchy;
    std::optional<bool> check_before_update;
    bool operator==(const Memory&) const = default;
};

/// Times in microseconds.
struct Cpu {
    std::optional<std::uint64_t> shares;
    std::optional<std::int64_t> quota;
    std::optional<std::uint64_t> burst;
    std::optional<std::uint64_t> period;
    std::optional<std::int64_t> realtime_runtime;
    std::optional<std::uint64_t> realtime_period;
    std::string cpus;
    std::string mems;
    std::optional<std::int64_t> idle;
    bool operator==(const Cpu&) const = default;
};

struct Pids {
    std::optional<std::int64_t> limit;  ///< 0 or less: no limit
    bool operator==(const Pids&) const = default;
};

/// For one disk.
struct WeightDevice {
    std::int64_t major = 0;
    std::int64_t minor = 0;
    std::optional<std::uint16_t> weight;
    std::optional<std::uint16_t> leaf_weight;
    bool operator==(const WeightDevice&) const = default;
};

/// Bytes or operations per second for one disk.
struct ThrottleDevice {
    std::int64_t major = 0;
    std::int64_t minor = 0;
    std::uint64_t rate = 0;
    bool operator==(const ThrottleDevice&) const = default;
};

struct BlockIo {
    std::optional<std::uint16_t> weight;
    std::optional<std::uint16_t> leaf_weight;
    std::vector<WeightDevice> weight_device;
    std::vector<ThrottleDevice> throttle_read_bps_device;
    std::vector<ThrottleDevice> throttle_write_bps_device;
    std::vector<ThrottleDevice> throttle_read_iops_device;
    std::vector<ThrottleDevice> throttle_write_iops_device;
    bool operator==(const BlockIo&) const = default;
};

struct HugepageLimit {
    std::string page_size;  ///< `2MB`
    std::uint64_t limit = 0;
    bool operator==(const HugepageLimit&) const = default;
};

struct InterfacePriority {
    std::string name;
    std::uint32_t priority = 0;
    bool operator==(const InterfacePriority&) const = default;
};

struct NetworkClass {
    std::optional<std::uint32_t> class_id;
    std::vector<InterfacePriority> priorities;
    bool operator==(const NetworkClass&) const = default;
};

struct Rdma {
    std::optional<std::uint32_t> hca_handles;
    std::optional<std::uint32_t> hca_objects;
    bool operator==(const Rdma&) const = default;
};

struct Resources {
    std::vector<DeviceRule> devices;
    std::optional<Memory> memory;
    std::optional<Cpu> cpu;
    std::optional<Pids> pids;
    std::optional<BlockIo> block_io;
    std::vector<HugepageLimit> hugepage_limits;
    std::optional<NetworkClass> network;
    std::map<std::string, Rdma> rdma;
    std::map<std::string, std::string> unified;
    bool operator==(const Resources&) const = default;
};

}  // namespace tenon::oci
