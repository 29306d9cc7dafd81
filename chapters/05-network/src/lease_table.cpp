// Text in, text out: the pool itself is an exercise, its file's form is not.
#include "lease_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace tenon {

namespace {

// An address and a word, or nothing.
std::optional<Lease> parse_lease(std::string_view line) {
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    try {
        const std::string owner{line.substr(blank + 1)};
        check_owner_name(owner);
        return Lease{IpAddress::parse(line.substr(0, blank)), owner};
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

bool take_last(std::string_view line, LeaseTable& table) {
    constexpr std::string_view word = "last ";
    if (!line.starts_with(word)) return false;
    try {
        table.last = IpAddress::parse(line.substr(word.size()));
        return true;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

bool take_lease(std::string_view line, LeaseTable& table) {
    const std::optional<Lease> lease = parse_lease(line);
    if (lease) table.leases.push_back(*lease);
    return lease.has_value();
}

bool is_name_character(char c) {
    constexpr std::string_view others = "_.-";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
}

template <typename Condition>
const Lease* find_if(const LeaseTable& table, Condition condition) {
    const auto found = std::find_if(table.leases.begin(), table.leases.end(), condition);
    return found == table.leases.end() ? nullptr : &*found;
}

}  // namespace

LeaseTable parse_lease_table(std::string_view text, const std::string& file) {
    LeaseTable table;
    std::istringstream lines{std::string{text}};
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        if (take_last(line, table) || take_lease(line, table)) continue;
        throw std::runtime_error(
            fmt::format("{}:{}: no lease but '{}': remove that line", file, number, line));
    }
    return table;
}

std::string lease_table_text(const LeaseTable& table) {
    std::string text;
    if (table.last) text += fmt::format("last {}\n", table.last->text());
    for (const Lease& lease : table.leases) {
        text += fmt::format("{} {}\n", lease.address.text(), lease.owner);
    }
    return text;
}

std::string lease_file_name(const Subnet& subnet) {
    const IpPrefix& prefix = subnet.prefix();
    return fmt::format("{}-{}.leases", prefix.address.text(), prefix.length);
}

const Lease* find_lease(const LeaseTable& table, const IpAddress& address) {
    return find_if(table, [&](const Lease& lease) { return lease.address == address; });
}

const Lease* find_lease(const LeaseTable& table, const std::string& owner) {
    return find_if(table, [&](const Lease& lease) { return lease.owner == owner; });
}

std::uint64_t index_of(const Subnet& subnet, const IpAddress& address) {
    const auto low_bits = [](const IpAddress& of) {
        std::uint64_t value = 0;
        const std::size_t size = of.size();
        for (std::size_t i = size > 8 ? size - 8 : 0; i < size; ++i) {
            value = value << 8U | of.bytes.at(i);
        }
        return value;
    };
    return low_bits(address) - low_bits(subnet.prefix().address);
}

std::uint64_t last_index(const Subnet& subnet) {
    return first_index + subnet.capacity() - 1;
}

void check_owner_name(std::string_view name) {
    const bool fits = !name.empty() && name.size() <= 64 && name.front() != '.' &&
                      std::all_of(name.begin(), name.end(), is_name_character);
    if (fits) return;
    throw std::invalid_argument(fmt::format(
        "'{}' is no name: up to 64 letters, digits, _ . and -, the first one no dot", name));
}

}  // namespace tenon
