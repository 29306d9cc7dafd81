// What was used is in files, too, and so is the proof of which limit bit: `oom_kill` counts the
// killed, `nr_throttled` the periods that ended early, `max` in pids.events the refused forks.
// A file that is not there belongs to a controller that is not enabled: no error, no number.
#include "tenon/cgroup.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

using Counters = std::map<std::string, std::uint64_t, std::less<>>;

Counters read_counters(FdRef group, const char* file) {
    return parse_flat_keyed(read_kernel_file_if_present(group, file).value_or(""));
}

// 0 for a counter that this kernel does not have.
std::uint64_t value_of(const Counters& counters, std::string_view key) {
    const auto found = counters.find(key);
    return found == counters.end() ? 0 : found->second;
}

std::optional<std::uint64_t> read_value(FdRef group, const char* file) {
    const std::optional<std::string> text = read_kernel_file_if_present(group, file);
    if (!text) return std::nullopt;
    return parse_kernel_value(*text);
}

CpuStats read_cpu(FdRef group) {
    // BEGIN SOLUTION 03.4
    const Counters stat = read_counters(group, "cpu.stat");
    const auto time = [&](std::string_view key) {
        return std::chrono::microseconds{value_of(stat, key)};
    };
    return {.usage = time("usage_usec"),
            .user = time("user_usec"),
            .system = time("system_usec"),
            .periods = value_of(stat, "nr_periods"),
            .throttled_periods = value_of(stat, "nr_throttled"),
            .throttled = time("throttled_usec")};
    // END SOLUTION
}

std::optional<MemoryStats> read_memory(FdRef group) {
    // BEGIN SOLUTION 03.4
    const std::optional<std::uint64_t> current = read_value(group, "memory.current");
    if (!current) return std::nullopt;
    const Counters events = read_counters(group, "memory.events");
    return MemoryStats{.current = *current,
                       .peak = read_value(group, "memory.peak"),
                       .max = read_value(group, "memory.max").value_or(no_limit),
                       .swap_current = read_value(group, "memory.swap.current").value_or(0),
                       .high_events = value_of(events, "high"),
                       .max_events = value_of(events, "max"),
                       .oom = value_of(events, "oom"),
                       .oom_kill = value_of(events, "oom_kill"),
                       .oom_group_kill = value_of(events, "oom_group_kill")};
    // END SOLUTION
}

std::optional<PidsStats> read_pids(FdRef group) {
    // BEGIN SOLUTION 03.4
    const std::optional<std::uint64_t> current = read_value(group, "pids.current");
    if (!current) return std::nullopt;
    return PidsStats{.current = *current,
                     .peak = read_value(group, "pids.peak"),
                     .max = read_value(group, "pids.max").value_or(no_limit),
                     .max_events = value_of(read_counters(group, "pids.events"), "max")};
    // END SOLUTION
}

std::optional<std::map<BlockDevice, IoStats>> read_io(FdRef group) {
    const std::optional<std::string> text = read_kernel_file_if_present(group, "io.stat");
    if (!text) return std::nullopt;
    return parse_io_stat(*text);
}

}  // namespace

CgroupStats read_stats(FdRef group) {
    const trace::Step step{3, "read what was used", "once the group is gone, so are its numbers"};
    return {.cpu = read_cpu(group),
            .memory = read_memory(group),
            .pids = read_pids(group),
            .io = read_io(group),
            .cpu_pressure = read_pressure(group, "cpu.pressure"),
            .memory_pressure = read_pressure(group, "memory.pressure"),
            .io_pressure = read_pressure(group, "io.pressure")};
}

}  // namespace tenon
