// The numbers and their names, in the kernel's order: a capability's number is its place.
// linux/capability.h; man 7 capabilities
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>

#include "tenon/capabilities.hpp"

namespace tenon {

namespace {

constexpr std::array<const char*, 41> names{
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

constexpr std::string_view prefix = "CAP_";

// Not the locale's idea of case: a Turkish one would not know KILL by "kill".
bool same_word(std::string_view a, std::string_view b) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; };
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (upper(a[i]) != upper(b[i])) return false;
    }
    return true;
}

// Digits alone, the whole text: neither " 1" nor "1x" nor "+1" is a number.
std::optional<Capability> number_from(std::string_view text) {
    Capability number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    if (!whole || text.front() == '-' || number >= capability_room) return std::nullopt;
    return number;
}

}  // namespace

std::string capability_name(Capability number) {
    const auto index = static_cast<std::size_t>(number);
    if (index >= names.size()) return std::to_string(number);
    return fmt::format("{}{}", prefix, names[index]);
}

std::optional<Capability> capability_from(std::string_view text) {
    if (const std::optional<Capability> number = number_from(text)) return number;
    if (same_word(text.substr(0, prefix.size()), prefix)) text.remove_prefix(prefix.size());
    for (std::size_t index = 0; index < names.size(); ++index) {
        if (same_word(text, names[index])) return static_cast<Capability>(index);
    }
    return std::nullopt;
}

std::vector<Capability> CapabilitySet::members() const {
    std::vector<Capability> result;
    for (Capability member = 0; member < capability_room; ++member) {
        if (contains(member)) result.push_back(member);
    }
    return result;
}

std::vector<std::string> names_in(const CapabilitySet& set) {
    std::vector<std::string> result;
    for (const Capability member : set.members()) result.push_back(capability_name(member));
    return result;
}

std::string names_of(const CapabilitySet& set) {
    return set.empty() ? "none" : fmt::format("{}", fmt::join(names_in(set), ","));
}

}  // namespace tenon
