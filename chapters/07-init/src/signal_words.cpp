// Signals as people and engines write them.
#include <cctype>
#include <charconv>
#include <cstring>

#include "tenon/attended.hpp"

namespace tenon {

namespace {

constexpr int first_real_time = 34;  // SIGRTMIN, as glibc and kill(1) count
constexpr int last_real_time = 64;

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

}  // namespace tenon
