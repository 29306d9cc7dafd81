// Declarations, one per option, with the parser of its value and where it goes.
#include "tenon/cgroup_options.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/option_group.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// A new group has no limits: whoever asks for none asks for nothing, also no controller.
std::optional<std::uint64_t> wish(std::uint64_t value) {
    if (value == no_limit) return std::nullopt;
    return value;
}

void declare_memory(OptionGroup& group, CgroupOptions& options) {
    CgroupLimits& limits = options.limits;
    const auto bytes = [](std::optional<std::uint64_t>& field) {
        return [&field](const std::string& text) { field = wish(parse_bytes(text)); };
    };
    const auto total = [&options](const std::string& text) {
        const std::uint64_t both = parse_bytes(text);
        // Zero is Docker's "not given"; without limit is -1 or max.
        const bool is_zero = both == no_limit && text != "-1" && text != "max";
        if (!is_zero) options.memory_and_swap = both;
    };
    group.value("-m,--memory", "SIZE", "memory.max: above it processes are killed",
                bytes(limits.memory_max));
    group.value("--memory-swap", "SIZE", "memory and swap together (default: twice --memory)",
                total);
    group.value("--memory-high", "SIZE", "above it processes are slowed down",
                bytes(limits.memory_high));
    group.value("--memory-reservation,--memory-low", "SIZE",
                "memory.low: taken from others before it is taken from here",
                bytes(limits.memory_low));
    group.value("--memory-min", "SIZE", "never taken from here", bytes(limits.memory_min));
    group.flag("--oom-group", "out of memory kills the whole group, not one process",
               [&limits] { limits.oom_group = true; });
}

void declare_cpu(OptionGroup& group, CgroupLimits& limits) {
    group.value("--cpus", "NUMBER", "cpu.max: 0.5 is half of one CPU's time",
                [&limits](const std::string& text) {
                    const CpuMax wanted = parse_cpus(text);
                    if (wanted.quota) limits.cpu_max = wanted;
                });
    group.value(
        "--cpu-weight", "NUMBER", "share when CPUs are scarce, 1 to 10000 (100)",
        [&limits](const std::string& text) { limits.cpu_weight = parse_weight(text, "CPU time"); });
    group.value("--cpuset-cpus", "LIST", "only on these CPUs: 0-2,7",
                [&limits](const std::string& text) { limits.cpuset_cpus = parse_cpu_list(text); });
    group.value("--cpuset-mems", "LIST", "only from these memory nodes",
                [&limits](const std::string& text) { limits.cpuset_mems = parse_cpu_list(text); });
    group.value("--pids-limit", "NUMBER", "pids.max: processes and threads",
                [&limits](const std::string& text) { limits.pids_max = wish(parse_count(text)); });
    group.flag("--cpu-idle", "only what nobody else wants", [&limits] { limits.cpu_idle = true; });
}

// `/dev/sda` or `8:0`. @throws SysError  stat: ENOENT
BlockDevice block_device(const std::string& text) {
    if (const std::optional<BlockDevice> numbers = parse_device_number(text)) return *numbers;
    const struct stat status = sys::stat(text);
    if (!S_ISBLK(status.st_mode)) {
        throw std::invalid_argument(
            fmt::format("{} is no disk: write its node, such as /dev/sda, or its number, such as "
                        "8:0",
                        text));
    }
    return {major(status.st_rdev), minor(status.st_rdev)};
}

// `DEV:VALUE`, where DEV may be MAJOR:MINOR.
std::pair<BlockDevice, std::string> device_and_value(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == text.size() ||
        parse_device_number(text)) {
        throw std::invalid_argument(
            fmt::format("'{}' is not DEVICE:VALUE: write for example /dev/sda:10mb", text));
    }
    return {block_device(text.substr(0, colon)), text.substr(colon + 1)};
}

IoMax& limits_of(CgroupLimits& limits, BlockDevice device) {
    for (IoMax& limit : limits.io_max) {
        if (limit.device == device) return limit;
    }
    limits.io_max.push_back({.device = device,
                             .read_bytes = {},
                             .write_bytes = {},
                             .read_operations = {},
                             .write_operations = {}});
    return limits.io_max.back();
}

void declare_io(OptionGroup& group, CgroupLimits& limits) {
    using Field = std::optional<std::uint64_t> IoMax::*;
    const auto limit = [&limits](Field field, std::uint64_t (*parse)(std::string_view)) {
        return [&limits, field, parse](const std::string& text) {
            const auto [device, value] = device_and_value(text);
            limits_of(limits, device).*field = parse(value);
        };
    };
    const auto weight = [&limits](const std::string& text) {
        if (text.find(':') == std::string::npos) {
            limits.io_weight = parse_weight(text, "disks");
            return;
        }
        const auto [device, value] = device_and_value(text);
        limits.io_weights[device] = parse_weight(value, "this disk");
    };
    group.values("--device-read-bps", "DEV:RATE", "io.max: bytes read per second",
                 limit(&IoMax::read_bytes, parse_rate));
    group.values("--device-write-bps", "DEV:RATE", "bytes written per second",
                 limit(&IoMax::write_bytes, parse_rate));
    group.values("--device-read-iops", "DEV:NUMBER", "reads per second",
                 limit(&IoMax::read_operations, parse_count));
    group.values("--device-write-iops", "DEV:NUMBER", "writes per second",
                 limit(&IoMax::write_operations, parse_count));
    group.values("--io-weight", "[DEV:]NUMBER", "share of a busy disk, 1 to 10000 (100)", weight);
}

void set_hugetlb(CgroupLimits& limits, const std::string& text) {
    const auto colon = text.find(':');
    const std::string size = text.substr(0, colon);
    // It becomes a part of a file's name.
    const bool is_size =
        !size.empty() &&
        std::all_of(size.begin(), size.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
    if (colon == std::string::npos || !is_size) {
        throw std::invalid_argument(
            fmt::format("'{}' is not PAGESIZE:SIZE: write for example 2MB:64m", text));
    }
    const std::uint64_t bytes = parse_bytes(text.substr(colon + 1));
    if (bytes != no_limit) limits.hugetlb_max[size] = bytes;
}

void declare_others(OptionGroup& group, CgroupLimits& limits) {
    group.values("--hugetlb", "PAGESIZE:SIZE", "huge pages, for example 2MB:64m",
                 [&limits](const std::string& text) { set_hugetlb(limits, text); });
    group.values("--cgroup-conf", "KEY=VALUE", "any other file of the group, as it is",
                 [&limits](const std::string& text) {
                     const CgroupSetting setting = parse_unified(text);
                     limits.unified[setting.file] = setting.value;
                 });
}

}  // namespace

void declare_cgroup_options(CLI::App& run, CgroupOptions& options) {
    OptionGroup group{run, "Limits"};
    declare_memory(group, options);
    declare_cpu(group, options.limits);
    declare_io(group, options.limits);
    declare_others(group, options.limits);
    group.value("--cgroup-path", "PATH",
                "name of the group, below our own parent; /NAME: below the root",
                [&options](const std::string& text) {
                    check_group_path(text.starts_with('/') ? text.substr(1) : text);
                    options.path = text;
                });
    group.flag("--stats", "tell at the end what was used, on stderr", options.stats);
}

}  // namespace tenon
