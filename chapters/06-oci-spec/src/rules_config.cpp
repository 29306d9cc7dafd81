// Rules for config.md: the version, what is rarely set of a process, hooks, annotations.
#include <algorithm>
#include <charconv>
#include <optional>

#include "rules.hpp"
#include "tenon/oci_config.hpp"

namespace tenon::oci {

namespace {

// ---- Semantic Versioning 2.0.0 ----------------------------------------------------------------

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Without leading zeros.
bool is_version_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit) &&
           (text.size() == 1 || text.front() != '0');
}

// Of a pre-release or of build metadata.
bool is_identifier(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    });
}

bool are_identifiers(std::string_view text) {
    const auto parts = split(text, '.');
    return std::all_of(parts.begin(), parts.end(), is_identifier);
}

struct Version {
    std::string_view major;
    std::string_view minor;
};

std::optional<Version> parse_version(std::string_view text) {
    const auto plus = text.find('+');
    if (plus != std::string_view::npos && !are_identifiers(text.substr(plus + 1))) return {};
    text = text.substr(0, plus);
    const auto dash = text.find('-');
    if (dash != std::string_view::npos && !are_identifiers(text.substr(dash + 1))) return {};
    const auto numbers = split(text.substr(0, dash), '.');
    if (numbers.size() != 3) return {};
    if (!std::all_of(numbers.begin(), numbers.end(), is_version_number)) return {};
    return Version{numbers[0], numbers[1]};
}

// ---- scheduling -------------------------------------------------------------------------------

constexpr auto flags_of_scheduler = std::to_array<std::string_view>(
    {"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN",
     "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
     "SCHED_FLAG_UTIL_CLAMP_MAX"});

// Each policy has numbers of its own: sched_setattr(2) says EINVAL to those of another.
void judge_policy_numbers(Findings& findings, const Place& at, const Scheduler& scheduler) {
    const bool real_time = is_one_of(scheduler.policy, {"SCHED_FIFO", "SCHED_RR"});
    const Place priority{at, "priority"};
    if (real_time) expect_range(findings, priority, scheduler.priority, 1, 99);
    if (!real_time && scheduler.priority != 0) {
        findings.add(priority, fmt::format("{}: only SCHED_FIFO and SCHED_RR have priorities",
                                           scheduler.priority));
    }
    const Place runtime{at, "runtime"};
    const bool has_times =
        scheduler.runtime != 0 || scheduler.deadline != 0 || scheduler.period != 0;
    if (scheduler.policy != "SCHED_DEADLINE") {
        if (has_times) findings.add(at, "only SCHED_DEADLINE has a runtime, deadline and period");
    } else if (scheduler.runtime == 0 || scheduler.runtime > scheduler.deadline ||
               (scheduler.period != 0 && scheduler.deadline > scheduler.period)) {
        findings.add(runtime, "SCHED_DEADLINE needs 0 < runtime <= deadline <= period");
    }
}

void judge_scheduler(Findings& findings, const Place& at, const Scheduler& scheduler) {
    expect_one_of(findings, Place{at, "policy"}, scheduler.policy,
                  {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO",
                   "SCHED_IDLE", "SCHED_DEADLINE"});
    expect_range(findings, Place{at, "nice"}, scheduler.nice, -20, 19);
    const Place flags{at, "flags"};
    each(scheduler.flags, flags, [&](const std::string& flag, const Place& place) {
        expect_one_of(findings, place, flag, flags_of_scheduler);
    });
    judge_policy_numbers(findings, at, scheduler);
}

void judge_io_priority(Findings& findings, const Place& at, const IoPriority& priority) {
    expect_one_of(findings, Place{at, "class"}, priority.io_class,
                  {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"});
    expect_range(findings, Place{at, "priority"}, priority.priority, 0, 7);
}

// The kernel's struct winsize has 16 bits for each: ioctl_tty(2). Without a terminal they MUST be
// ignored.
void judge_console_size(Findings& findings, const Place& at, const Process& process) {
    if (!process.terminal || !process.console_size) return;
    const Place size{at, "consoleSize"};
    expect_range(findings, Place{size, "height"}, process.console_size->height, 0, 65535);
    expect_range(findings, Place{size, "width"}, process.console_size->width, 0, 65535);
}

void judge_hook(Findings& findings, const Place& at, const Hook& hook) {
    expect_absolute(findings, Place{at, "path"}, hook.path);
    expect_environment(findings, Place{at, "env"}, hook.env);
    if (hook.timeout && *hook.timeout <= 0) {
        findings.add(Place{at, "timeout"},
                     fmt::format("{}: more than 0 seconds are expected", *hook.timeout));
    }
}

}  // namespace

void judge_version(Findings& findings, const Place& at, const std::string& version) {
    const std::optional<Version> parsed = parse_version(version);
    if (!parsed) return findings.add(at, fmt::format("{} is no version", shown(version)));
    const std::string_view newest_minor = parse_version(spec_version)->minor;
    const bool newer =
        parsed->minor.size() > newest_minor.size() ||
        (parsed->minor.size() == newest_minor.size() && parsed->minor > newest_minor);
    if (parsed->major == "1" && !newer) return;
    findings.add(
        at, fmt::format("{}: 1.0.0 up to 1.{}.x are understood", shown(version), newest_minor));
}

void judge_scheduling(Findings& findings, const Place& at, const Process& process) {
    const Place scheduler{at, "scheduler", "config.md, Linux Process"};
    if (process.scheduler) judge_scheduler(findings, scheduler, *process.scheduler);
    const Place io_priority{at, "ioPriority", "config.md, Linux Process"};
    if (process.io_priority) judge_io_priority(findings, io_priority, *process.io_priority);
    const Place affinity{at, "execCPUAffinity", "config.md, Linux Process"};
    if (process.exec_cpu_affinity) {
        expect_number_list(findings, Place{affinity, "initial"},
                           process.exec_cpu_affinity->initial);
        expect_number_list(findings, Place{affinity, "final"}, process.exec_cpu_affinity->final);
    }
    judge_console_size(findings, at, process);
}

void judge_hooks(Findings& findings, const Place& at, const Hooks& hooks) {
    const auto judge = [&](const char* key, const std::vector<Hook>& list) {
        const Place place{at, key};
        each(list, place,
             [&](const Hook& hook, const Place& where) { judge_hook(findings, where, hook); });
    };
    judge("prestart", hooks.prestart);
    judge("createRuntime", hooks.create_runtime);
    judge("createContainer", hooks.create_container);
    judge("startContainer", hooks.start_container);
    judge("poststart", hooks.poststart);
    judge("poststop", hooks.poststop);
}

void judge_annotations(Findings& findings, const Place& at, const Spec& spec) {
    if (spec.annotations.contains("")) {
        findings.add(Place{at, "annotations", "config.md, Annotations"},
                     "one of the keys is empty");
    }
}

}  // namespace tenon::oci
