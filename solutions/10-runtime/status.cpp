// A container's status is no value that somebody keeps: it is what the record and the kernel say
// together, at the moment of asking. Who believes a file alone sends signals to strangers.
#include <linux/sched.h>

#include <array>
#include <charconv>

#include "tenon/container.hpp"

namespace tenon {

namespace {

// The kernel's PF_EXITING (include/linux/sched.h): exit(2) has begun, and the namespaces are gone,
// while the state still says R or S. proc_pid_stat(5), field 9
constexpr std::uint64_t exiting = 0x4;

// Fields of /proc/PID/stat, counted from the one after the name.
constexpr std::size_t state_field = 0;
constexpr std::size_t flags_field = 6;
constexpr std::size_t start_time_field = 19;
constexpr std::size_t fields_needed = 20;

[[maybe_unused]] std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// The first fields_needed words of `rest`; fewer where there are not so many.
[[maybe_unused]] std::vector<std::string_view> words_of(std::string_view rest) {
    std::vector<std::string_view> words;
    while (!rest.empty() && words.size() < fields_needed) {
        const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
        if (end > 0) words.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return words;
}

}  // namespace

std::optional<ContainerStatus> next_status(ContainerStatus status, Operation operation) {
    // BEGIN SOLUTION 10.1
    using enum ContainerStatus;
    const bool alive = status == Created || status == Running || status == Paused;
    switch (operation) {
        case Operation::Start:
            if (status == Created) return Running;
            return std::nullopt;
        case Operation::Kill:
        case Operation::Update:
            if (alive) return status;
            return std::nullopt;
        case Operation::Exec:
            if (status == Created || status == Running) return status;
            return std::nullopt;
        case Operation::Pause:
            if (status == Created || status == Running) return Paused;
            return std::nullopt;
        case Operation::Resume:
            if (status == Paused) return Running;
            return std::nullopt;
        case Operation::Delete:
            // Created runs nothing of the container's yet: every runtime ends it.
            if (status == Stopped || status == Created) return Stopped;
            return std::nullopt;
        case Operation::DeleteByForce: return Stopped;
    }
    return std::nullopt;
    // END SOLUTION
}

std::optional<ProcessFacts> parse_process_stat(std::string_view text) {
    // BEGIN SOLUTION 10.1
    // `42 (name) S 1 ...`: the name may be `x) R 1 (`, so it ends at the last parenthesis.
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    const std::vector<std::string_view> words = words_of(text.substr(name_end + 1));
    if (words.size() < fields_needed || words[state_field].size() != 1) return std::nullopt;
    const std::optional<std::uint64_t> flags = number(words[flags_field]);
    const std::optional<std::uint64_t> start_time = number(words[start_time_field]);
    if (!flags || !start_time) return std::nullopt;
    return ProcessFacts{words[state_field].front(), *flags, *start_time};
    // END SOLUTION
}

ContainerStatus status_from(const ContainerRecord& record, const Observation& seen) {
    // BEGIN SOLUTION 10.1
    if (record.pid == 0) return ContainerStatus::Creating;
    if (!seen.process || seen.process->start_time != record.start_time) {
        return ContainerStatus::Stopped;
    }
    const char state = seen.process->state;
    const bool ended = state == 'Z' || state == 'X' || (seen.process->flags & exiting) != 0;
    if (ended) return ContainerStatus::Stopped;
    if (seen.frozen) return ContainerStatus::Paused;
    return seen.waits_at_gate ? ContainerStatus::Created : ContainerStatus::Running;
    // END SOLUTION
}

}  // namespace tenon
