// Declarations, one line per option; what they mean is decided in Attended.
#include <fmt/format.h>
#include <strings.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstring>

#include "tenon/attended.hpp"

namespace tenon {

namespace {

constexpr int first_real_time = 34;  // SIGRTMIN, as glibc and kill(1) count
constexpr int last_real_time = 64;
constexpr long longest_grace_seconds = 1'000'000;

std::optional<int> parse_number(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
    return number;
}

// RTMIN, RTMIN+3, RTMAX-1: kill -l
std::optional<int> parse_real_time(std::string_view text) {
    const bool from_below = text.starts_with("RTMIN");
    if (!from_below && !text.starts_with("RTMAX")) return {};
    int number = from_below ? first_real_time : last_real_time;
    std::string_view distance = text.substr(5);
    if (distance.empty()) return number;
    if (distance.front() != (from_below ? '+' : '-')) return {};
    const std::optional<int> steps = parse_number(distance.substr(1));
    if (!steps || *steps < 0 || *steps > last_real_time - first_real_time) return {};
    return from_below ? number + *steps : number - *steps;
}

std::optional<int> parse_name(std::string_view name) {
    for (int signal = 1; signal < first_real_time; ++signal) {
        const char* known = ::sigabbrev_np(signal);
        if (known != nullptr && name == known) return signal;
    }
    return parse_real_time(name);
}

void parse_stop_signal(const std::string& text, AttendOptions& options) {
    const std::optional<int> signal = parse_signal(text);
    if (!signal) {
        throw CLI::ValidationError(
            "--stop-signal",
            fmt::format("'{}' is no signal: use a name as of kill -l, or 1 to 64", text));
    }
    options.stop.signal = *signal;
}

void parse_stop_timeout(const std::string& text, AttendOptions& options) {
    long seconds = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 0 ||
        seconds > longest_grace_seconds) {
        throw CLI::ValidationError(
            "--stop-timeout",
            fmt::format("'{}' is no number of seconds from 0 to {}", text, longest_grace_seconds));
    }
    options.stop.grace = std::chrono::seconds{seconds};
}

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
    std::string name{text};
    for (char& letter : name)
        letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    if (const std::optional<int> number = parse_number(name)) {
        return *number >= 1 && *number <= last_real_time ? number : std::nullopt;
    }
    return parse_name(std::string_view{name}.substr(name.starts_with("SIG") ? 3 : 0));
}

void declare_attend_options(CLI::App& verb, AttendOptions& options) {
    verb.add_flag("-t,--tty", options.terminal, "a terminal of the container's own")
        ->group("Terminal and signals");
    verb.add_option_function<std::string>(
            "--stop-signal", [&](const std::string& text) { parse_stop_signal(text, options); },
            "what SIGTERM becomes for the container (default TERM)")
        ->type_name("SIGNAL")
        ->group("Terminal and signals");
    verb.add_option_function<std::string>(
            "--stop-timeout", [&](const std::string& text) { parse_stop_timeout(text, options); },
            "from then until it is killed (default 10)")
        ->type_name("SECONDS")
        ->group("Terminal and signals");
}

void declare_init_options(CLI::App& run, AttendOptions& options) {
    declare_attend_options(run, options);
    run.add_flag("--init", options.init, "a small pid 1 before the command: it reaps and forwards")
        ->group("Init");
    run.add_option("--init-path", options.init_program, "another init than ours")
        ->type_name("FILE")
        ->group("Init");
    run.add_flag("--init-group", options.signal_group,
                 "it passes signals on to the command's whole process group")
        ->group("Init");
    run.add_flag("--report-orphans", options.report_orphans,
                 "it says how many orphans it reaped, and in /proc/1/comm meanwhile")
        ->group("Init");
}

}  // namespace tenon
