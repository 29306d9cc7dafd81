#include "changed_limits.hpp"

#include <fmt/format.h>

#include <charconv>
#include <stdexcept>

#include "tenon/bundle_plan.hpp"
#include "tenon/cgroup_stats.hpp"
#include "tenon/kernel_file.hpp"

namespace tenon::ext {

namespace {

bool given(const auto& value) {
    return value.value_or(0) != 0;
}

std::optional<std::uint64_t> value_in(FdRef group, const char* file) {
    const std::optional<std::string> text = read_kernel_file_if_present(group, file);
    if (!text) return std::nullopt;
    return parse_kernel_value(*text);
}

// Swap is given together with memory, whose limit may be one of an earlier day.
void complete_memory(oci::Memory& memory, FdRef group) {
    if (memory.swap.value_or(0) <= 0 || given(memory.limit)) return;
    const std::optional<std::uint64_t> limit = value_in(group, "memory.max");
    if (limit && *limit != no_limit) memory.limit = static_cast<std::int64_t>(*limit);
}

void check_usage(const oci::Memory& memory, FdRef group) {
    if (!memory.check_before_update.value_or(false) || memory.limit.value_or(0) <= 0) return;
    const std::optional<std::uint64_t> used = value_in(group, "memory.current");
    if (!used || *used < static_cast<std::uint64_t>(*memory.limit)) return;
    throw std::runtime_error(
        fmt::format("rejecting memory limit {} <= usage {}", *memory.limit, *used));
}

// cpu.max holds both: `max 100000`.
CpuMax cpu_max_of(FdRef group) {
    CpuMax max;
    const std::string text = read_kernel_file_if_present(group, "cpu.max").value_or("");
    const std::size_t blank = std::min(text.find(' '), text.size());
    std::uint64_t number = 0;
    const auto reads = [&](std::size_t from, std::size_t to) {
        return std::from_chars(text.data() + from, text.data() + to, number).ec == std::errc{};
    };
    if (reads(0, blank)) max.quota = std::chrono::microseconds{number};
    if (blank < text.size() && reads(blank + 1, text.size())) {
        max.period = std::chrono::microseconds{number};
    }
    return max;
}

// Zero is a wish here: whoever sends them has thought of them, as no engine does unasked.
void complete_cpu(const oci::Cpu& cpu, FdRef group, CgroupLimits& limits) {
    if (cpu.idle) limits.cpu_idle = *cpu.idle == 1;
    if (cpu.burst) limits.cpu_burst = std::chrono::microseconds{*cpu.burst};
    if (!limits.cpu_max || given(cpu.quota) == given(cpu.period)) return;
    const CpuMax now = cpu_max_of(group);
    if (!given(cpu.quota)) limits.cpu_max->quota = now.quota;
    if (!given(cpu.period)) limits.cpu_max->period = now.period;
}

}  // namespace

CgroupLimits changed_limits(oci::Resources wanted, FdRef group) {
    if (wanted.memory) {
        complete_memory(*wanted.memory, group);
        check_usage(*wanted.memory, group);
    }
    CgroupLimits limits = limits_from(wanted);
    if (wanted.cpu) complete_cpu(*wanted.cpu, group, limits);
    return limits;
}

}  // namespace tenon::ext
