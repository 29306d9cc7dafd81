// How the kernel is to treat the process: whom it kills first, what runs first, from which memory.
// The names of config.json are those of the kernel's headers; here they become its numbers.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/personality.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <stdexcept>

#include "settings_parts.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

struct NamedNumber {
    std::string_view name;
    std::uint64_t number;
};

template <std::size_t Size>
std::uint64_t number_of(const std::array<NamedNumber, Size>& table, const std::string& name,
                        std::string_view pointer) {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&](const NamedNumber& row) { return row.name == name; });
    if (found != table.end()) return found->number;
    throw std::invalid_argument(fmt::format("{}: there is no '{}'", pointer, name));
}

template <std::size_t Size>
std::uint64_t bits_of(const std::array<NamedNumber, Size>& table,
                      const std::vector<std::string>& names, std::string_view pointer) {
    std::uint64_t bits = 0;
    for (const std::string& name : names) bits |= number_of(table, name, pointer);
    return bits;
}

constexpr std::array policies{
    NamedNumber{"SCHED_OTHER", SCHED_NORMAL},
    NamedNumber{"SCHED_FIFO", SCHED_FIFO},
    NamedNumber{"SCHED_RR", SCHED_RR},
    NamedNumber{"SCHED_BATCH", SCHED_BATCH},
    NamedNumber{"SCHED_ISO", 4},
    NamedNumber{"SCHED_IDLE", SCHED_IDLE},
    NamedNumber{"SCHED_DEADLINE", SCHED_DEADLINE},
};

constexpr std::array scheduler_flags{
    NamedNumber{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
    NamedNumber{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
    NamedNumber{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
    NamedNumber{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
    NamedNumber{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
    NamedNumber{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
    NamedNumber{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};

// include/uapi/linux/ioprio.h
constexpr std::array io_classes{
    NamedNumber{"IOPRIO_CLASS_RT", 1},
    NamedNumber{"IOPRIO_CLASS_BE", 2},
    NamedNumber{"IOPRIO_CLASS_IDLE", 3},
};
constexpr int io_class_shift = 13;

constexpr std::array domains{
    NamedNumber{"LINUX", PER_LINUX},
    NamedNumber{"LINUX32", PER_LINUX32},
};

constexpr std::array memory_modes{
    NamedNumber{"MPOL_DEFAULT", 0},
    NamedNumber{"MPOL_PREFERRED", 1},
    NamedNumber{"MPOL_BIND", 2},
    NamedNumber{"MPOL_INTERLEAVE", 3},
    NamedNumber{"MPOL_LOCAL", 4},
    NamedNumber{"MPOL_PREFERRED_MANY", 5},
    NamedNumber{"MPOL_WEIGHTED_INTERLEAVE", 6},
};

constexpr std::array memory_flags{
    NamedNumber{"MPOL_F_STATIC_NODES", 1U << 15},
    NamedNumber{"MPOL_F_RELATIVE_NODES", 1U << 14},
    NamedNumber{"MPOL_F_NUMA_BALANCING", 1U << 13},
};

void apply_scheduler(const oci::Scheduler& scheduler) {
    const trace::Step step{6, "set the scheduler", "it is inherited by all that follows"};
    constexpr std::string_view pointer = "/process/scheduler";
    sys::SchedulerAttributes attributes{
        .policy = static_cast<std::uint32_t>(number_of(policies, scheduler.policy, pointer)),
        .flags = bits_of(scheduler_flags, scheduler.flags, pointer),
        .nice = scheduler.nice,
        .priority = static_cast<std::uint32_t>(scheduler.priority),
        .runtime = scheduler.runtime,
        .deadline = scheduler.deadline,
        .period = scheduler.period,
    };
    sys::sched_setattr(attributes, scheduler.policy);
}

void apply_io_priority(const oci::IoPriority& io) {
    const trace::Step step{6, "set the I/O priority", "whose reads and writes come first"};
    const auto io_class = number_of(io_classes, io.io_class, "/process/ioPriority");
    sys::set_own_io_priority(static_cast<int>(io_class << io_class_shift) | io.priority,
                             io.io_class);
}

void apply_personality(const oci::Personality& persona) {
    const trace::Step step{6, "set the personality", "LINUX32: uname -m says a 32-bit machine"};
    if (!persona.flags.empty()) {
        throw std::invalid_argument("/linux/personality/flags: the specification has none yet");
    }
    sys::personality(number_of(domains, persona.domain, "/linux/personality"), persona.domain);
}

void apply_memory_policy(const oci::MemoryPolicy& policy) {
    const trace::Step step{6, "set the memory policy", "from which nodes memory is taken"};
    constexpr std::string_view pointer = "/linux/memoryPolicy";
    const std::uint64_t mode = number_of(memory_modes, policy.mode, pointer) |
                               bits_of(memory_flags, policy.flags, pointer);
    sys::set_mempolicy(static_cast<int>(mode), parse_node_list(policy.nodes), policy.mode);
}

// A number at the beginning of `text`, which is cut off.
unsigned take_node(std::string_view& text, const std::string& list) {
    constexpr unsigned most = 1024;  // MAX_NUMNODES of the largest kernels
    unsigned node = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), node);
    if (error != std::errc{} || node >= most) {
        throw std::invalid_argument(
            fmt::format("/linux/memoryPolicy/nodes: '{}' is no list such as 0-1,3", list));
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return node;
}

void set_bits(std::vector<unsigned long>& mask, unsigned first, unsigned last) {
    constexpr unsigned bits = sizeof(unsigned long) * CHAR_BIT;
    for (unsigned node = first; node <= last; ++node) {
        if (mask.size() <= node / bits) mask.resize(node / bits + 1);
        mask[node / bits] |= 1UL << (node % bits);
    }
}

bool take_mark(std::string_view& text, char mark) {
    if (!text.starts_with(mark)) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::vector<unsigned long> parse_node_list(const std::string& list) {
    std::vector<unsigned long> mask;
    std::string_view text = list;
    for (bool more = !text.empty(); more; more = take_mark(text, ',')) {
        const unsigned first = take_node(text, list);
        set_bits(mask, first, take_mark(text, '-') ? take_node(text, list) : first);
    }
    if (text.empty()) return mask;
    throw std::invalid_argument(
        fmt::format("/linux/memoryPolicy/nodes: '{}' is no list such as 0-1,3", list));
}

// Nothing is written when it has that value already: to lower it needs CAP_SYS_RESOURCE, and
// engines send what they have themselves. proc_pid_oom_score_adj(5)
void apply_oom_score_adj(const oci::Process& process) {
    if (!process.oom_score_adj) return;
    const trace::Step step{6, "set oom_score_adj", "whom the OOM killer takes first"};
    const UniqueFd directory = open_procfs("/proc");
    const std::string text = std::to_string(*process.oom_score_adj);
    if (read_kernel_file(directory, "self/oom_score_adj") == text + "\n") return;
    write_kernel_file(directory, "self/oom_score_adj", text);
}

void apply_kernel_settings(const oci::Spec& spec, const NamespaceOptions& namespaces) {
    if (spec.linux) {
        apply_sysctls(*spec.linux, namespaces);
        if (spec.linux->personality) apply_personality(*spec.linux->personality);
        if (spec.linux->memory_policy) apply_memory_policy(*spec.linux->memory_policy);
    }
    if (!spec.process) return;
    apply_oom_score_adj(*spec.process);
    if (spec.process->scheduler) apply_scheduler(*spec.process->scheduler);
    if (spec.process->io_priority) apply_io_priority(*spec.process->io_priority);
}

}  // namespace tenon
