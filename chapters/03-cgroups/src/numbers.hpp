// Reading a number that must be one to its last character. Internal to chapter 03.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

inline std::optional<std::uint64_t> whole_number(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || text.empty()) return std::nullopt;
    return value;
}

}  // namespace tenon
