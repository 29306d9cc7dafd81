// What is not there is null, so that nobody asks twice.
#include "profile_json.hpp"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "tenon/log.hpp"

namespace tenon::seccomp {

namespace {

const nlohmann::json& nothing() {
    static const nlohmann::json none;
    return none;
}

}  // namespace

void Place::refuse(const std::string& what) const {
    throw std::invalid_argument(
        fmt::format("seccomp profile: {}: {}", pointer_.empty() ? "/" : printable(pointer_), what));
}

Place Place::at(const char* key) const {
    std::string pointer = pointer_ + "/" + key;
    if (!there()) return {nothing(), std::move(pointer)};
    if (!value_.is_object()) refuse("it is no object");
    const auto found = value_.find(key);
    return {found == value_.end() ? nothing() : *found, std::move(pointer)};
}

std::vector<Place> Place::elements() const {
    std::vector<Place> all;
    if (!there()) return all;
    if (!value_.is_array()) refuse("it is no array");
    for (const nlohmann::json& value : value_) {
        all.emplace_back(value, fmt::format("{}/{}", pointer_, all.size()));
    }
    return all;
}

std::string Place::text() const {
    if (!value_.is_string()) refuse("it is no text");
    std::string text = value_.get<std::string>();
    if (text.find('\0') != std::string::npos) refuse("it contains a NUL");
    return text;
}

std::vector<std::string> Place::texts() const {
    std::vector<std::string> all;
    for (const Place& element : elements()) all.push_back(element.text());
    return all;
}

std::uint64_t Place::number(std::uint64_t largest) const {
    if (!value_.is_number_unsigned()) refuse("it is no whole number from 0 on");
    const auto number = value_.get<std::uint64_t>();
    if (number > largest) refuse(fmt::format("it is greater than {}", largest));
    return number;
}

std::optional<std::uint32_t> Place::small_number_if_there() const {
    if (!there()) return std::nullopt;
    return static_cast<std::uint32_t>(number(std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace tenon::seccomp
