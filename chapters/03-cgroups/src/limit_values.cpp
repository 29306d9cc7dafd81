// Values as people type them, and nothing else: a text that is almost a number is refused, not
// read halfway, and a number that would wrap around is refused, not wrapped.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

#include "numbers.hpp"
#include "tenon/cgroup_limits.hpp"

namespace tenon {

namespace {

// A value that the kernel keeps in a signed 64-bit number.
constexpr std::uint64_t largest =
    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

[[noreturn]] void refuse(std::string_view text, std::string_view expected) {
    throw std::invalid_argument(fmt::format("'{}' is not {}", text, expected));
}

bool asks_for_no_limit(std::string_view text) {
    return text == "max" || text == "-1" || text == "0";
}

// `1.5` times `unit`, exactly and rounded down; nothing when it is no such number or too large.
std::optional<std::uint64_t> times(std::string_view decimal, std::uint64_t unit) {
    constexpr std::size_t most_digits = 6;
    const auto point = decimal.find('.');
    const auto whole = whole_number(decimal.substr(0, point));
    std::uint64_t result = 0;
    if (!whole || __builtin_mul_overflow(*whole, unit, &result)) return std::nullopt;
    if (point != std::string_view::npos) {
        const std::string_view digits = decimal.substr(point + 1);
        auto part = whole_number(digits);
        if (!part || digits.size() > most_digits) return std::nullopt;
        std::uint64_t scale = 1;
        for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
        if (__builtin_mul_overflow(*part, unit, &*part)) return std::nullopt;
        if (__builtin_add_overflow(result, *part / scale, &result)) return std::nullopt;
    }
    if (result > largest) return std::nullopt;
    return result;
}

std::string lower(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

// Cuts a unit off the end of `text`: 1 for none or b, 1024 for k, kb, kib ...
std::uint64_t take_unit(std::string& text) {
    for (const std::string_view ending : {"ib", "b"}) {
        const bool has = text.size() > ending.size() && text.ends_with(ending);
        const char before = has ? text[text.size() - ending.size() - 1] : '0';
        // `10ib` is no unit; `10b` is bytes.
        if (!has || (ending == "ib" && std::isdigit(static_cast<unsigned char>(before)) != 0))
            continue;
        text.resize(text.size() - ending.size());
        break;
    }
    constexpr std::string_view letters = "kmgtp";
    const auto place = text.empty() ? std::string_view::npos : letters.find(text.back());
    if (place == std::string_view::npos) return 1;
    text.pop_back();
    return std::uint64_t{1} << (10 * (place + 1));
}

std::uint64_t bytes_in(std::string text, std::string_view typed, std::string_view expected) {
    const std::uint64_t unit = take_unit(text);
    const std::optional<std::uint64_t> value = times(text, unit);
    // `0.5` bytes: somebody forgot the unit, and would get no limit at all.
    const bool is_zero = typed.find_first_of("123456789") == std::string_view::npos;
    if (!value || (*value == 0 && !is_zero)) refuse(typed, expected);
    return is_zero ? no_limit : *value;
}

}  // namespace

std::optional<BlockDevice> parse_device_number(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto major = whole_number(text.substr(0, colon));
    const auto minor = whole_number(text.substr(colon + 1));
    constexpr std::uint64_t most = std::numeric_limits<unsigned>::max();
    if (!major || !minor || *major > most || *minor > most) return std::nullopt;
    return BlockDevice{static_cast<unsigned>(*major), static_cast<unsigned>(*minor)};
}

std::uint64_t parse_bytes(std::string_view text) {
    if (asks_for_no_limit(text)) return no_limit;
    return bytes_in(lower(text), text,
                    "a size: write for example 64m, 1.5g or 65536 (bytes), or max");
}

std::uint64_t parse_rate(std::string_view text) {
    if (asks_for_no_limit(text)) return no_limit;
    std::string rest = lower(text);
    if (rest.ends_with("/s")) rest.resize(rest.size() - 2);
    return bytes_in(std::move(rest), text,
                    "a rate: write for example 10mb, 10MB/s or 65536 (bytes per second), or max");
}

std::uint64_t parse_count(std::string_view text) {
    if (asks_for_no_limit(text)) return no_limit;
    const std::optional<std::uint64_t> value = whole_number(text);
    if (!value || *value > largest) refuse(text, "a whole number, such as 32, or max");
    return *value == 0 ? no_limit : *value;
}

CpuMax parse_cpus(std::string_view text) {
    constexpr std::uint64_t smallest_quota = 1000;
    const CpuMax unlimited;
    if (text == "0" || text == "max") return unlimited;
    const auto quota = times(text, static_cast<std::uint64_t>(unlimited.period.count()));
    if (!quota || *quota < smallest_quota) {
        refuse(text, "a number of CPUs: write for example 0.5 or 2; at least 0.01");
    }
    return {.quota = std::chrono::microseconds{*quota}, .period = unlimited.period};
}

std::uint64_t parse_weight(std::string_view text, std::string_view what) {
    constexpr std::uint64_t heaviest = 10'000;
    const std::optional<std::uint64_t> value = whole_number(text);
    if (!value || *value < 1 || *value > heaviest) {
        refuse(text, fmt::format("a weight for {}: a whole number from 1 to 10000, everybody's "
                                 "being 100",
                                 what));
    }
    return *value;
}

std::string parse_cpu_list(std::string_view text) {
    constexpr std::string_view expected = "a list of numbers and ranges, such as 0-2,7";
    std::string_view rest = text;
    for (bool more = true; more;) {
        const std::string_view item = rest.substr(0, rest.find(','));
        more = item.size() < rest.size();
        rest.remove_prefix(more ? item.size() + 1 : item.size());
        const auto dash = item.find('-');
        const auto first = whole_number(item.substr(0, dash));
        const auto last =
            dash == std::string_view::npos ? first : whole_number(item.substr(dash + 1));
        if (!first || !last || *first > *last) refuse(text, expected);
    }
    return std::string{text};
}

void check_unified_key(std::string_view key) {
    const auto dot = key.find('.');
    const bool is_file = dot != std::string_view::npos && dot > 0 && dot + 1 < key.size() &&
                         std::all_of(key.begin(), key.end(), [](unsigned char c) {
                             return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                         });
    if (!is_file) refuse(key, "a file of a controller: write for example memory.high=64m");
    constexpr std::array allowed{"cgroup.max.depth", "cgroup.max.descendants"};
    if (key.starts_with("cgroup.") &&
        std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
        refuse(key,
               "a limit: of the files cgroup.*, only cgroup.max.depth and cgroup.max.descendants");
    }
}

CgroupSetting parse_unified(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals + 1 == text.size()) {
        refuse(text, "KEY=VALUE: write for example memory.high=67108864");
    }
    const std::string_view key = text.substr(0, equals);
    check_unified_key(key);
    return {std::string{key}, std::string{text.substr(equals + 1)}};
}

ControllerSet controllers_for(const std::vector<CgroupSetting>& settings) {
    ControllerSet controllers;
    for (const auto& [file, value] : settings) {
        const std::string controller = file.substr(0, file.find('.'));
        if (controller != "cgroup") controllers.insert(controller);
    }
    return controllers;
}

}  // namespace tenon
