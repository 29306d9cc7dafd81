// A user as numbers.
#include <fmt/format.h>

#include <charconv>
#include <stdexcept>

#include "tenon/running_container.hpp"

namespace tenon {

namespace {

// What fits into a signed number: beyond it programs have read -1, and 0 (CVE-2024-40635).
constexpr std::uint32_t largest_id = 2147483647;

std::optional<std::uint32_t> parse_id(std::string_view text) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
    if (id > largest_id) return {};
    return id;
}

}  // namespace

oci::User parse_user(const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::optional<std::uint32_t> uid = parse_id(std::string_view{text}.substr(0, colon));
    std::optional<std::uint32_t> gid = 0;
    if (colon != std::string::npos) gid = parse_id(std::string_view{text}.substr(colon + 1));
    if (!uid || !gid) {
        throw std::invalid_argument(fmt::format(
            "--user '{}': write numbers, UID or UID:GID; names are the container's business",
            text));
    }
    oci::User user;
    user.uid = *uid;
    user.gid = *gid;
    return user;
}

}  // namespace tenon
