// Rules for linux.resources. A zero asks for nothing, and Docker writes many: so zero is never
// wrong. runtime-spec config-linux.md, "Control groups"
#include <stdexcept>

#include "rules.hpp"
#include "tenon/cgroup_limits.hpp"

namespace tenon::oci {

namespace {

// Bytes, or -1 for no limit.
void expect_bytes(Findings& findings, const Place& at, std::optional<std::int64_t> value) {
    if (!value || *value >= -1) return;
    findings.add(at, fmt::format("{}: bytes, or -1 for no limit, are expected", *value));
}

// A device's number, or -1, which some write for "any".
void expect_device_number(Findings& findings, const Place& at, std::optional<std::int64_t> number,
                          std::int64_t highest) {
    if (number) expect_range(findings, at, *number, -1, highest);
}

constexpr std::int64_t highest_major = 4095;     // 12 bits: makedev(3), the kernel's MINORBITS
constexpr std::int64_t highest_minor = 1048575;  // 20 bits

void judge_device_rule(Findings& findings, const Place& at, const DeviceRule& rule) {
    if (!rule.type.empty()) expect_one_of(findings, Place{at, "type"}, rule.type, {"a", "c", "b"});
    expect_device_number(findings, Place{at, "major"}, rule.major, highest_major);
    expect_device_number(findings, Place{at, "minor"}, rule.minor, highest_minor);
    if (rule.access.find_first_not_of("rwm") == std::string::npos) return;
    findings.add(Place{at, "access"},
                 fmt::format("{} has more than r, w and m", shown(rule.access)));
}

void judge_memory(Findings& findings, const Place& at, const Memory& memory) {
    expect_bytes(findings, Place{at, "limit"}, memory.limit);
    expect_bytes(findings, Place{at, "reservation"}, memory.reservation);
    expect_bytes(findings, Place{at, "swap"}, memory.swap);
    expect_bytes(findings, Place{at, "kernel"}, memory.kernel);
    expect_bytes(findings, Place{at, "kernelTCP"}, memory.kernel_tcp);
    if (memory.swappiness && *memory.swappiness > 100) {
        findings.add(Place{at, "swappiness"},
                     fmt::format("{} is not from 0 to 100", *memory.swappiness));
    }
    const std::int64_t limit = memory.limit.value_or(0);
    const std::int64_t swap = memory.swap.value_or(0);
    if (limit > 0 && swap > 0 && swap < limit) {
        findings.add(
            Place{at, "swap"},
            fmt::format("{} is memory and swap together, and less than the limit {}", swap, limit));
    }
}

void judge_cpu(Findings& findings, const Place& at, const Cpu& cpu) {
    const std::int64_t quota = cpu.quota.value_or(0);
    if (quota > 0 && cpu.burst && *cpu.burst > static_cast<std::uint64_t>(quota)) {
        findings.add(Place{at, "burst"},
                     fmt::format("{} is larger than the quota {}", *cpu.burst, quota));
    }
    if (cpu.idle) expect_range(findings, Place{at, "idle"}, *cpu.idle, 0, 1);
    expect_number_list(findings, Place{at, "cpus"}, cpu.cpus);
    expect_number_list(findings, Place{at, "mems"}, cpu.mems);
}

void expect_weight(Findings& findings, const Place& at, std::optional<std::uint16_t> weight) {
    if (weight && *weight != 0) expect_range(findings, at, *weight, 10, 1000);
}

template <typename Device>
void expect_disk(Findings& findings, const Place& at, const Device& device) {
    expect_range(findings, Place{at, "major"}, device.major, 0, highest_major);
    expect_range(findings, Place{at, "minor"}, device.minor, 0, highest_minor);
}

void judge_weight_device(Findings& findings, const Place& at, const WeightDevice& device) {
    expect_disk(findings, at, device);
    expect_weight(findings, Place{at, "weight"}, device.weight);
    expect_weight(findings, Place{at, "leafWeight"}, device.leaf_weight);
    if (!device.weight && !device.leaf_weight) {
        findings.add(at, "has neither a weight nor a leafWeight");
    }
}

void judge_block_io(Findings& findings, const Place& at, const BlockIo& io) {
    expect_weight(findings, Place{at, "weight"}, io.weight);
    expect_weight(findings, Place{at, "leafWeight"}, io.leaf_weight);
    each(io.weight_device, Place{at, "weightDevice"},
         [&](const WeightDevice& device, const Place& place) {
             judge_weight_device(findings, place, device);
         });
    const auto judge = [&](const char* key, const std::vector<ThrottleDevice>& list) {
        each(list, Place{at, key}, [&](const ThrottleDevice& device, const Place& place) {
            expect_disk(findings, place, device);
        });
    };
    judge("throttleReadBpsDevice", io.throttle_read_bps_device);
    judge("throttleWriteBpsDevice", io.throttle_write_bps_device);
    judge("throttleReadIOPSDevice", io.throttle_read_iops_device);
    judge("throttleWriteIOPSDevice", io.throttle_write_iops_device);
}

// 64KB, 2MB, 1GB
bool is_page_size(const std::string& text) {
    const auto digits = text.find_first_not_of("0123456789");
    if (digits == std::string::npos || digits == 0 || text.front() == '0') return false;
    return is_one_of(std::string_view{text}.substr(digits), {"KB", "MB", "GB"});
}

void judge_hugepages(Findings& findings, const Place& at, const std::vector<HugepageLimit>& list) {
    each(list, at, [&](const HugepageLimit& limit, const Place& place) {
        if (is_page_size(limit.page_size)) return;
        findings.add(Place{place, "pageSize"},
                     fmt::format("{} is no size such as 2MB or 1GB", shown(limit.page_size)));
    });
    expect_each_once(
        findings, at, list, "the page size",
        [](const HugepageLimit& limit) -> const std::string& { return limit.page_size; });
}

void judge_rdma(Findings& findings, const Place& at, const std::map<std::string, Rdma>& devices) {
    for (const auto& [name, limits] : devices) {
        if (limits.hca_handles || limits.hca_objects) continue;
        findings.add(Place{at, name}, "has neither hcaHandles nor hcaObjects");
    }
}

// Files of the group, by name: cgroup.procs or ../x would be more than a limit.
void judge_unified(Findings& findings, const Place& at, const Resources& resources) {
    for (const auto& [file, value] : resources.unified) {
        const Place place{at, file};
        try {
            check_unified_key(file);
        } catch (const std::invalid_argument& error) {
            findings.add(place, error.what());
        }
    }
}

}  // namespace

void judge_resources(Findings& findings, const Place& at, const Resources& resources) {
    each(resources.devices, Place{at, "devices", "config-linux.md, Allowed Device list"},
         [&](const DeviceRule& rule, const Place& place) {
             judge_device_rule(findings, place, rule);
         });
    if (resources.memory) {
        judge_memory(findings, Place{at, "memory", "config-linux.md, Memory"}, *resources.memory);
    }
    if (resources.cpu)
        judge_cpu(findings, Place{at, "cpu", "config-linux.md, CPU"}, *resources.cpu);
    if (resources.block_io) {
        judge_block_io(findings, Place{at, "blockIO", "config-linux.md, Block IO"},
                       *resources.block_io);
    }
    judge_hugepages(findings, Place{at, "hugepageLimits", "config-linux.md, Huge page limits"},
                    resources.hugepage_limits);
    judge_rdma(findings, Place{at, "rdma", "config-linux.md, RDMA"}, resources.rdma);
    judge_unified(findings, Place{at, "unified", "config-linux.md, Unified"}, resources);
}

}  // namespace tenon::oci
