// The words of config.json are those of cgroup v1. Zero is how engines say "not given" (docker
// sends zeros for everything), -1 is no limit, and what v2 has no file for is refused, never
// dropped. config-linux.md, "Control groups"
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <stdexcept>

#include "tenon/bundle_plan.hpp"

namespace tenon {

namespace {

[[noreturn]] void refuse(std::string_view pointer, std::string_view why) {
    throw std::invalid_argument(fmt::format("/linux/resources/{}: {}", pointer, why));
}

template <typename Number>
bool given(const std::optional<Number>& value) {
    return value.value_or(0) != 0;
}

void refuse_if(bool asked_for, std::string_view pointer) {
    if (asked_for) refuse(pointer, "cgroup v2 has no such setting: leave it out");
}

// Nothing for zero, no_limit for -1 and anything below.
std::optional<std::uint64_t> limit_from(const std::optional<std::int64_t>& value) {
    if (!given(value)) return std::nullopt;
    return *value < 0 ? no_limit : static_cast<std::uint64_t>(*value);
}

// v1 counts memory and swap together, memory.swap.max swap alone.
std::optional<std::uint64_t> swap_from(const oci::Memory& memory) {
    const std::optional<std::uint64_t> both = limit_from(memory.swap);
    if (!both || *both == no_limit) return both;
    const std::optional<std::uint64_t> limit = limit_from(memory.limit);
    if (!limit || *limit == no_limit) {
        refuse("memory/swap", "it is memory and swap together, so it needs a memory limit");
    }
    if (*both < *limit)
        refuse("memory/swap", "memory and swap together are less than memory alone");
    return *both - *limit;
}

void take_memory(const oci::Memory& memory, CgroupLimits& limits) {
    limits.memory_max = limit_from(memory.limit);
    limits.memory_low = limit_from(memory.reservation);
    limits.swap_max = swap_from(memory);
    refuse_if(given(memory.kernel), "memory/kernel");
    refuse_if(given(memory.kernel_tcp), "memory/kernelTCP");
    refuse_if(given(memory.swappiness), "memory/swappiness");
    refuse_if(memory.disable_oom_killer.value_or(false), "memory/disableOOMKiller");
    refuse_if(!memory.use_hierarchy.value_or(true), "memory/useHierarchy");
}

// A period alone is a share of nothing yet, but what is written later may be a quota alone.
std::optional<CpuMax> cpu_max_from(const oci::Cpu& cpu) {
    if (!given(cpu.quota) && !given(cpu.period)) return std::nullopt;
    CpuMax max;
    if (cpu.quota.value_or(0) > 0) max.quota = std::chrono::microseconds{*cpu.quota};
    constexpr std::uint64_t longest = 1'000'000;
    if (cpu.period.value_or(0) > longest) refuse("cpu/period", "a period has at most 1000000 us");
    if (given(cpu.period)) max.period = std::chrono::microseconds{*cpu.period};
    return max;
}

void take_cpu(const oci::Cpu& cpu, CgroupLimits& limits) {
    limits.cpu_max = cpu_max_from(cpu);
    if (given(cpu.shares)) limits.cpu_weight = weight_from_shares(*cpu.shares);
    if (given(cpu.burst)) limits.cpu_burst = std::chrono::microseconds{*cpu.burst};
    if (given(cpu.idle)) limits.cpu_idle = *cpu.idle == 1;
    limits.cpuset_cpus = cpu.cpus;
    limits.cpuset_mems = cpu.mems;
    refuse_if(given(cpu.realtime_runtime), "cpu/realtimeRuntime");
    refuse_if(given(cpu.realtime_period), "cpu/realtimePeriod");
}

BlockDevice device_from(std::int64_t major, std::int64_t minor) {
    constexpr std::int64_t largest = 0xfffff;
    if (major < 0 || minor < 0 || major > largest || minor > largest) {
        refuse("blockIO", fmt::format("there is no disk {}:{}", major, minor));
    }
    return {static_cast<unsigned>(major), static_cast<unsigned>(minor)};
}

IoMax& limits_of(CgroupLimits& limits, BlockDevice device) {
    const auto found = std::find_if(limits.io_max.begin(), limits.io_max.end(),
                                    [&](const IoMax& max) { return max.device == device; });
    if (found != limits.io_max.end()) return *found;
    limits.io_max.emplace_back();
    limits.io_max.back().device = device;
    return limits.io_max.back();
}

using IoField = std::optional<std::uint64_t> IoMax::*;

void take_throttle(const std::vector<oci::ThrottleDevice>& devices, IoField field,
                   CgroupLimits& limits) {
    for (const auto& [major, minor, rate] : devices) {
        if (rate != 0) limits_of(limits, device_from(major, minor)).*field = rate;
    }
}

void take_io_weights(const oci::BlockIo& io, CgroupLimits& limits) {
    if (given(io.weight)) limits.io_weight = weight_from_blkio(*io.weight);
    refuse_if(given(io.leaf_weight), "blockIO/leafWeight");
    for (const oci::WeightDevice& device : io.weight_device) {
        refuse_if(given(device.leaf_weight), "blockIO/weightDevice");
        if (!given(device.weight)) continue;
        limits.io_weights[device_from(device.major, device.minor)] =
            weight_from_blkio(*device.weight);
    }
}

void take_io(const oci::BlockIo& io, CgroupLimits& limits) {
    take_io_weights(io, limits);
    take_throttle(io.throttle_read_bps_device, &IoMax::read_bytes, limits);
    take_throttle(io.throttle_write_bps_device, &IoMax::write_bytes, limits);
    take_throttle(io.throttle_read_iops_device, &IoMax::read_operations, limits);
    take_throttle(io.throttle_write_iops_device, &IoMax::write_operations, limits);
}

// It becomes a part of a file's name.
void take_hugepages(const std::vector<oci::HugepageLimit>& all, CgroupLimits& limits) {
    for (const auto& [size, bytes] : all) {
        const bool is_size = !size.empty() && std::all_of(size.begin(), size.end(), [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0;
        });
        if (!is_size) {
            refuse("hugepageLimits", fmt::format("'{}' is no page size such as 2MB", size));
        }
        limits.hugetlb_max[size] = bytes;
    }
}

std::string rdma_text(const oci::Rdma& rdma) {
    std::string text;
    if (rdma.hca_handles) text += fmt::format(" hca_handle={}", *rdma.hca_handles);
    if (rdma.hca_objects) text += fmt::format(" hca_object={}", *rdma.hca_objects);
    return text;
}

void take_rdma(const std::map<std::string, oci::Rdma>& all, CgroupLimits& limits) {
    for (const auto& [device, rdma] : all) {
        const std::string text = rdma_text(rdma);
        if (!text.empty()) limits.rdma_max[device] = text.substr(1);
    }
}

void take_network(const oci::NetworkClass& network) {
    refuse_if(given(network.class_id), "network/classID");
    refuse_if(!network.priorities.empty(), "network/priorities");
}

void take_unified(const std::map<std::string, std::string>& unified, CgroupLimits& limits) {
    for (const auto& [file, value] : unified) {
        try {
            check_unified_key(file);
        } catch (const std::invalid_argument& error) {
            refuse("unified", error.what());
        }
        limits.unified[file] = value;
    }
}

}  // namespace

// As runc and crun convert it today: quadratic in the logarithm, through (2, 1), (1024, 100) and
// (262144, 10000). They once drew a straight line, on which the default 1024 became 39.
std::uint64_t weight_from_shares(std::uint64_t shares) {
    constexpr std::uint64_t fewest = 2;
    constexpr std::uint64_t most = 262144;
    if (shares <= fewest) return 1;
    if (shares >= most) return 10000;
    const double log = std::log2(static_cast<double>(shares));
    const double exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    return static_cast<std::uint64_t>(std::ceil(std::pow(10.0, exponent)));
}

std::uint64_t weight_from_blkio(std::uint64_t weight) {
    constexpr std::uint64_t least = 10;
    constexpr std::uint64_t most = 1000;
    if (weight < least || weight > most) refuse("blockIO/weight", "a weight is 10 to 1000");
    return 1 + (weight - least) * 9999 / (most - least);
}

CgroupLimits limits_from(const oci::Resources& resources) {
    CgroupLimits limits;
    if (resources.memory) take_memory(*resources.memory, limits);
    if (resources.cpu) take_cpu(*resources.cpu, limits);
    if (resources.pids) limits.pids_max = limit_from(resources.pids->limit);
    if (resources.block_io) take_io(*resources.block_io, limits);
    if (resources.network) take_network(*resources.network);
    take_hugepages(resources.hugepage_limits, limits);
    take_rdma(resources.rdma, limits);
    take_unified(resources.unified, limits);
    return limits;
}

}  // namespace tenon
