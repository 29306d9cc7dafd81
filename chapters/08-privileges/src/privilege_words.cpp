// What people type, read strictly: a text that is nearly a number must not become one. crun took
// the user of `exec -u 1` for root (CVE-2026-30892); containerd let 4294967296 wrap to 0
// (CVE-2024-40635); runc looked "1000" up in the image's passwd, where it was root's name
// (CVE-2016-3697).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "tenon/privilege_options.hpp"

namespace tenon {

namespace {

// The kernel's ids are 32 bits, of which the last says "no change" (setresuid(2)), and programs
// keep them as int: half of them are safe everywhere.
constexpr std::uint32_t largest_id = std::numeric_limits<std::int32_t>::max();

std::uint32_t parse_id(std::string_view text, std::string_view whole) {
    std::uint32_t id = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, id);
    if (text.empty() || error != std::errc{} || stop != end || id > largest_id) {
        throw std::invalid_argument(
            fmt::format("'{}' is no UID[:GID]: numbers from 0 to {}, no names (a name would be "
                        "looked up in the image's own /etc/passwd)",
                        whole, largest_id));
    }
    return id;
}

bool is_all(std::string_view text) {
    return text.size() == 3 && (text[0] | 0x20) == 'a' && (text[1] | 0x20) == 'l' &&
           (text[2] | 0x20) == 'l';
}

struct KeyAndValue {
    std::string_view key;
    std::optional<std::string_view> value;
};

// `key=value`; Docker's old form has a colon, and a label's value has some, too.
KeyAndValue split_option(std::string_view text) {
    const std::size_t at = std::min(text.find('='), text.find(':'));
    if (at >= text.size()) return {text, std::nullopt};
    return {text.substr(0, at), text.substr(at + 1)};
}

bool parse_flag(std::optional<std::string_view> value) {
    if (!value || *value == "true") return true;
    if (*value == "false") return false;
    throw std::invalid_argument(
        fmt::format("no-new-privileges is true or false, not '{}'", *value));
}

std::string required(std::string_view key, std::optional<std::string_view> value) {
    if (value && !value->empty()) return std::string{*value};
    throw std::invalid_argument(fmt::format("{} needs a value: {}=...", key, key));
}

std::string parse_label(std::optional<std::string_view> value) {
    std::string text = required("label", value);
    if (text == "disable") return text;
    for (const std::string_view part : {"user:", "role:", "type:", "level:"}) {
        if (text.starts_with(part) && text.size() > part.size()) return text;
    }
    throw std::invalid_argument(fmt::format(
        "label={}: there are label=disable, label=user:U, role:R, type:T and level:L", text));
}

}  // namespace

std::string parse_capability_word(std::string_view text) {
    if (is_all(text)) return "ALL";
    if (const std::optional<Capability> number = capability_from(text)) {
        return capability_name(*number);
    }
    throw std::invalid_argument(
        fmt::format("no capability '{}': NET_ADMIN, CAP_NET_ADMIN, 12, or ALL; capabilities(7) "
                    "lists them",
                    text));
}

RequestedUser parse_ids(std::string_view text) {
    const std::size_t colon = text.find(':');
    RequestedUser user{.uid = parse_id(text.substr(0, colon), text), .gid = std::nullopt};
    if (colon != std::string_view::npos) user.gid = parse_id(text.substr(colon + 1), text);
    return user;
}

void add_security_option(std::string_view text, PrivilegeOptions& options) {
    const auto [key, value] = split_option(text);
    if (key == "no-new-privileges") {
        options.no_new_privileges = parse_flag(value);
    } else if (key == "seccomp") {
        options.seccomp = required(key, value);
    } else if (key == "apparmor") {
        options.apparmor = required(key, value);
    } else if (key == "label") {
        options.labels.push_back(parse_label(value));
    } else {
        throw std::invalid_argument(
            fmt::format("no security option '{}': there are no-new-privileges, seccomp=FILE, "
                        "apparmor=NAME and label=...",
                        key));
    }
}

}  // namespace tenon
