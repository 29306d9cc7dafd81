// Taking values out of a profile: each with its type checked and its place said.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tenon::seccomp {

// A value and where it stands: `/syscalls/3/action`.
class Place {
  public:
    Place(const nlohmann::json& value, std::string pointer)
        : value_(value), pointer_(std::move(pointer)) {}

    // The member `key`; null when this is null, or has none. @throws  this is no object
    [[nodiscard]] Place at(const char* key) const;
    // null counts as not there, as Go has it.
    [[nodiscard]] bool there() const { return !value_.is_null(); }
    // Every element; none when it is not there. @throws  it is no array
    [[nodiscard]] std::vector<Place> elements() const;

    // @throws std::invalid_argument  another type, out of range; text: a NUL in it
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::string text_or_empty() const { return there() ? text() : std::string{}; }
    [[nodiscard]] std::vector<std::string> texts() const;
    [[nodiscard]] std::uint64_t number(std::uint64_t largest) const;
    [[nodiscard]] std::optional<std::uint32_t> small_number_if_there() const;

    // @throws std::invalid_argument  `seccomp profile: POINTER: what`
    [[noreturn]] void refuse(const std::string& what) const;

  private:
    const nlohmann::json& value_;
    std::string pointer_;
};

}  // namespace tenon::seccomp
