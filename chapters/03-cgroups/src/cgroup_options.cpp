// Declarations: one row per option, with the parser of its value and where it goes.
#include "tenon/cgroup_options.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <functional>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

using Take = std::function<void(const std::string& text)>;

// A mistake in the text is a mistake on the command line: CLI11 reports it as one.
void take_or_refuse(const Take& take, const std::string& flag, const std::string& text) {
    try {
        take(text);
    } catch (const std::invalid_argument& error) {
        throw CLI::ValidationError(fmt::format("{}: {}", flag, error.what()));
    } catch (const SysError& error) {
        throw CLI::ValidationError(fmt::format("{}: {}", flag, error.what()));
    }
}

// A new group has no limits: whoever asks for none asks for nothing, also no controller.
std::optional<std::uint64_t> wish(std::uint64_t value) {
    if (value == no_limit) return std::nullopt;
    return value;
}

struct Row {
    const char* flag;
    const char* type;
    const char* help;
    Take take;
};

CLI::Option* grouped(CLI::Option* option, const Row& row) {
    return option->type_name(row.type)->group("Limits");
}

std::string long_name(const Row& row) {
    const std::string names = row.flag;  // CLI11 calls an option by its first long name, too
    const auto start = names.find("--");
    return names.substr(start, names.find(',', start) - start);
}

void declare(CLI::App& run, const Row& row) {
    const auto take = [name = long_name(row), take = row.take](const std::string& text) {
        take_or_refuse(take, name, text);
    };
    grouped(run.add_option_function<std::string>(row.flag, take, row.help), row);
}

// An option that may be given for several disks, page sizes or files.
void declare_repeatable(CLI::App& run, const Row& row) {
    const auto take = [name = long_name(row),
                       take = row.take](const std::vector<std::string>& texts) {
        for (const auto& text : texts) take_or_refuse(take, name, text);
    };
    using Texts = std::vector<std::string>;
    CLI::Option* option = run.add_option_function<Texts>(row.flag, take, row.help);
    grouped(option, row)->type_size(1)->allow_extra_args(false);
}

void declare_memory(CLI::App& run, CgroupOptions& options) {
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
    for (const Row& row : {
             Row{"-m,--memory", "SIZE", "memory.max: above it processes are killed",
                 bytes(limits.memory_max)},
             Row{"--memory-swap", "SIZE", "memory and swap together (default: twice --memory)",
                 total},
             Row{"--memory-high", "SIZE", "above it processes are slowed down",
                 bytes(limits.memory_high)},
             Row{"--memory-reservation,--memory-low", "SIZE",
                 "memory.low: taken from others before it is taken from here",
                 bytes(limits.memory_low)},
             Row{"--memory-min", "SIZE", "never taken from here", bytes(limits.memory_min)},
         }) {
        declare(run, row);
    }
    run.add_flag_callback(
           "--oom-group", [&limits] { limits.oom_group = true; },
           "out of memory kills the whole group, not one process")
        ->group("Limits");
}

void declare_cpu(CLI::App& run, CgroupLimits& limits) {
    for (const Row& row : {
             Row{"--cpus", "NUMBER", "cpu.max: 0.5 is half of one CPU's time",
                 [&limits](const std::string& text) {
                     const CpuMax wanted = parse_cpus(text);
                     if (wanted.quota) limits.cpu_max = wanted;
                 }},
             Row{"--cpu-weight", "NUMBER", "share when CPUs are scarce, 1 to 10000 (100)",
                 [&limits](const std::string& text) {
                     limits.cpu_weight = parse_weight(text, "CPU time");
                 }},
             Row{"--cpuset-cpus", "LIST", "only on these CPUs: 0-2,7",
                 [&limits](const std::string& text) { limits.cpuset_cpus = parse_cpu_list(text); }},
             Row{"--cpuset-mems", "LIST", "only from these memory nodes",
                 [&limits](const std::string& text) { limits.cpuset_mems = parse_cpu_list(text); }},
             Row{"--pids-limit", "NUMBER", "pids.max: processes and threads",
                 [&limits](const std::string& text) { limits.pids_max = wish(parse_count(text)); }},
         }) {
        declare(run, row);
    }
    run.add_flag_callback(
           "--cpu-idle", [&limits] { limits.cpu_idle = true; }, "only what nobody else wants")
        ->group("Limits");
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

void declare_io(CLI::App& run, CgroupLimits& limits) {
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
    for (const Row& row : {
             Row{"--device-read-bps", "DEV:RATE", "io.max: bytes read per second",
                 limit(&IoMax::read_bytes, parse_rate)},
             Row{"--device-write-bps", "DEV:RATE", "bytes written per second",
                 limit(&IoMax::write_bytes, parse_rate)},
             Row{"--device-read-iops", "DEV:NUMBER", "reads per second",
                 limit(&IoMax::read_operations, parse_count)},
             Row{"--device-write-iops", "DEV:NUMBER", "writes per second",
                 limit(&IoMax::write_operations, parse_count)},
             Row{"--io-weight", "[DEV:]NUMBER", "share of a busy disk, 1 to 10000 (100)", weight},
         }) {
        declare_repeatable(run, row);
    }
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

void declare_others(CLI::App& run, CgroupLimits& limits) {
    declare_repeatable(run, {"--hugetlb", "PAGESIZE:SIZE", "huge pages, for example 2MB:64m",
                             [&limits](const std::string& text) { set_hugetlb(limits, text); }});
    declare_repeatable(run, {"--cgroup-conf", "KEY=VALUE", "any other file of the group, as it is",
                             [&limits](const std::string& text) {
                                 const CgroupSetting setting = parse_unified(text);
                                 limits.unified[setting.file] = setting.value;
                             }});
}

}  // namespace

void declare_cgroup_options(CLI::App& run, CgroupOptions& options) {
    declare_memory(run, options);
    declare_cpu(run, options.limits);
    declare_io(run, options.limits);
    declare_others(run, options.limits);
    declare(run, {"--cgroup-path", "PATH",
                  "name of the group, below our own parent; /NAME: below the root",
                  [&options](const std::string& text) {
                      check_group_path(text.starts_with('/') ? text.substr(1) : text);
                      options.path = text;
                  }});
    run.add_flag("--stats", options.stats, "tell at the end what was used, on stderr")
        ->group("Limits");
}

}  // namespace tenon
