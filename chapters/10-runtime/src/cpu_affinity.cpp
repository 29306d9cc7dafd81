// Two moments, because the work of joining counts as well: a host that keeps CPUs for containers
// whose latency matters does not want to see a helper there, and the other way round.
// runtime-spec config.md, "execCPUAffinity"
#include "cpu_affinity.hpp"

#include <fmt/format.h>

#include <charconv>
#include <climits>
#include <stdexcept>

#include "tenon/process_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr unsigned most_cpus = 8192;  // NR_CPUS of the largest kernels
constexpr unsigned bits = sizeof(unsigned long) * CHAR_BIT;

[[noreturn]] void refuse(const std::string& list) {
    throw std::invalid_argument(
        fmt::format("/process/execCPUAffinity: '{}' is no list of CPUs such as 0-3,7", list));
}

unsigned take_number(std::string_view& text, const std::string& list) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number >= most_cpus) refuse(list);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool take_mark(std::string_view& text, char mark) {
    if (!text.starts_with(mark)) return false;
    text.remove_prefix(1);
    return true;
}

void set_bits(std::vector<unsigned long>& mask, unsigned first, unsigned last) {
    if (mask.size() <= last / bits) mask.resize(last / bits + 1);
    for (unsigned cpu = first; cpu <= last; ++cpu) mask[cpu / bits] |= 1UL << (cpu % bits);
}

}  // namespace

std::vector<unsigned long> parse_cpu_mask(const std::string& list) {
    std::vector<unsigned long> mask;
    std::string_view text = list;
    for (bool more = true; more; more = take_mark(text, ',')) {
        const unsigned first = take_number(text, list);
        const unsigned last = take_mark(text, '-') ? take_number(text, list) : first;
        if (last < first) refuse(list);
        set_bits(mask, first, last);
    }
    if (!text.empty()) refuse(list);
    return mask;
}

void apply_initial_affinity(const oci::Process& process) {
    if (!process.exec_cpu_affinity || process.exec_cpu_affinity->initial.empty()) return;
    const trace::Step step{10, "choose CPUs", "for the way into the container"};
    sys::sched_setaffinity(parse_cpu_mask(process.exec_cpu_affinity->initial));
}

void apply_final_affinity(const oci::Process& process) {
    if (!process.exec_cpu_affinity) return;
    const std::string& list = process.exec_cpu_affinity->final;
    if (!list.empty()) return sys::sched_setaffinity(parse_cpu_mask(list));
    if (process.exec_cpu_affinity->initial.empty()) return;
    // What was inherited ends here: the kernel takes what its cpuset allows out of all.
    sys::sched_setaffinity(std::vector<unsigned long>(most_cpus / bits, ~0UL));
}

}  // namespace tenon
