// Declarations, one line per option; what they mean is decided in Attended.
#include <fmt/format.h>

#include <charconv>

#include "tenon/attended.hpp"
#include "tenon/option_group.hpp"

namespace tenon {

namespace {

constexpr long longest_grace_seconds = 1'000'000;

void parse_stop_signal(const std::string& text, AttendOptions& options) {
    const std::optional<int> signal = parse_signal(text);
    if (!signal) {
        throw std::invalid_argument(
            fmt::format("'{}' is no signal: use a name as of kill -l, or 1 to 64", text));
    }
    options.stop.signal = *signal;
}

void parse_stop_timeout(const std::string& text, AttendOptions& options) {
    long seconds = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 0 ||
        seconds > longest_grace_seconds) {
        throw std::invalid_argument(
            fmt::format("'{}' is no number of seconds from 0 to {}", text, longest_grace_seconds));
    }
    options.stop.grace = std::chrono::seconds{seconds};
}

}  // namespace

void declare_attend_options(CLI::App& verb, AttendOptions& options) {
    OptionGroup group{verb, "Terminal and signals"};
    group.flag("-t,--tty", "a terminal of the container's own", options.terminal);
    group.value("--stop-signal", "SIGNAL", "what SIGTERM becomes for the container (default TERM)",
                [&options](const std::string& text) { parse_stop_signal(text, options); });
    group.value("--stop-timeout", "SECONDS", "from then until it is killed (default 10)",
                [&options](const std::string& text) { parse_stop_timeout(text, options); });
}

void declare_init_options(CLI::App& run, AttendOptions& options) {
    declare_attend_options(run, options);
    OptionGroup group{run, "Init"};
    group.flag("--init", "a small pid 1 before the command: it reaps and forwards", options.init);
    group.value("--init-path", "FILE", "another init than ours", options.init_program);
    group.flag("--init-group", "it passes signals on to the command's whole process group",
               options.signal_group);
    group.flag("--report-orphans",
               "it says how many orphans it reaped, and in /proc/1/comm meanwhile",
               options.report_orphans);
}

}  // namespace tenon
