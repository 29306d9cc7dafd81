// Numbers for people: what was used, beside the limit, and whether the limit bit.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "tenon/cgroup_options.hpp"

namespace tenon {

namespace {

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units.at(unit));
}

std::string seconds_text(std::chrono::microseconds time) {
    return fmt::format("{:.2f} s", std::chrono::duration<double>(time).count());
}

std::string plural(std::uint64_t count, const char* word, const char* ending) {
    return fmt::format("{} {}{}", count, word, count == 1 ? "" : ending);
}

std::string line(std::string_view what, std::string_view text) {
    return fmt::format("{:<14}{}\n", what, text);
}

// With memory.oom.group the kernel counts the first victim twice: once as chosen, once as member.
std::string killed_text(const MemoryStats& memory) {
    if (memory.oom_group_kill > 0) return "every process";
    return plural(memory.oom_kill, "process", "es");
}

std::string memory_lines(const MemoryStats& memory) {
    std::string text =
        memory.peak ? bytes_text(*memory.peak) + " at most" : bytes_text(memory.current);
    if (memory.max != no_limit) text += ", limit " + bytes_text(memory.max);
    if (memory.max_events > 0) {
        text += fmt::format(", at the limit {}", plural(memory.max_events, "time", "s"));
    }
    if (memory.high_events > 0) {
        text += fmt::format(", slowed down {}", plural(memory.high_events, "time", "s"));
    }
    if (memory.oom_kill > 0) text += ": KILLED " + killed_text(memory);
    std::string lines = line("memory", text);
    if (memory.swap_current > 0) lines += line("swap", bytes_text(memory.swap_current));
    return lines;
}

std::string cpu_lines(const CpuStats& cpu) {
    std::string text = fmt::format("{} (user {}, system {})", seconds_text(cpu.usage),
                                   seconds_text(cpu.user), seconds_text(cpu.system));
    if (cpu.throttled_periods > 0) {
        text += fmt::format(": THROTTLED in {} of {}, {}", cpu.throttled_periods,
                            plural(cpu.periods, "period", "s"), seconds_text(cpu.throttled));
    }
    return line("cpu", text);
}

std::string pids_line(const PidsStats& pids) {
    std::string text =
        pids.peak ? fmt::format("{} at most", *pids.peak) : fmt::format("{}", pids.current);
    if (pids.max != no_limit) text += fmt::format(", limit {}", pids.max);
    if (pids.max_events > 0)
        text += fmt::format(": REFUSED {} (EAGAIN)", plural(pids.max_events, "fork", "s"));
    return line("pids", text);
}

std::string io_lines(const std::map<BlockDevice, IoStats>& devices) {
    std::string lines;
    for (const auto& [device, io] : devices) {
        lines +=
            line(fmt::format("disk {}:{}", device.major, device.minor),
                 fmt::format("read {} in {}, written {} in {}", bytes_text(io.read_bytes),
                             io.read_operations, bytes_text(io.write_bytes), io.write_operations));
    }
    return lines;
}

// What the processes waited for, all of them at once: what was lost.
std::string pressure_line(const CgroupStats& stats) {
    std::string text;
    const auto add = [&](const char* what, const std::optional<Pressure>& pressure) {
        if (!pressure) return;
        text +=
            fmt::format("{}{} {}", text.empty() ? "" : ", ", what, seconds_text(pressure->some));
    };
    add("cpu", stats.cpu_pressure);
    add("memory", stats.memory_pressure);
    add("io", stats.io_pressure);
    return text.empty() ? "" : line("waited", text);
}

}  // namespace

std::string usage_table(const CgroupStats& stats) {
    std::string table;
    if (stats.memory) table += memory_lines(*stats.memory);
    table += cpu_lines(stats.cpu);
    if (stats.pids) table += pids_line(*stats.pids);
    if (stats.io) table += io_lines(*stats.io);
    return table + pressure_line(stats);
}

std::string oom_sentence(const CgroupStats& stats) {
    if (!stats.memory || stats.memory->oom_kill == 0) return {};
    return fmt::format(
        "out of memory: the kernel killed {} of the container (memory.max {}, oom_kill {})",
        killed_text(*stats.memory),
        stats.memory->max == no_limit ? "max" : bytes_text(stats.memory->max),
        stats.memory->oom_kill);
}

}  // namespace tenon
