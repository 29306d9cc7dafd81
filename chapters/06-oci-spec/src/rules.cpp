// The words of rules.hpp.
#include "rules.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/cgroup_limits.hpp"

namespace tenon::oci {

bool is_one_of(std::string_view value, Words words) {
    return std::find(words.begin(), words.end(), value) != words.end();
}

void expect_one_of(Findings& findings, const Place& at, std::string_view value, Words words) {
    if (is_one_of(value, words)) return;
    findings.add(at, fmt::format("{} is none of {}", shown(value), fmt::join(words, ", ")));
}

void expect_absolute(Findings& findings, const Place& at, std::string_view path) {
    if (path.starts_with('/')) return;
    findings.add(at, fmt::format("{} is no absolute path", shown(path)));
}

void expect_given(Findings& findings, const Place& at, std::string_view value) {
    if (value.empty()) findings.add(at, "is empty");
}

void expect_range(Findings& findings, const Place& at, std::int64_t value, std::int64_t lowest,
                  std::int64_t highest) {
    if (value >= lowest && value <= highest) return;
    findings.add(at, fmt::format("{} is not from {} to {}", value, lowest, highest));
}

void expect_number_list(Findings& findings, const Place& at, const std::string& list) {
    if (list.empty()) return;
    try {
        parse_cpu_list(list);
    } catch (const std::invalid_argument&) {
        findings.add(at, fmt::format("{} is no list such as 0-3,7", shown(list)));
    }
}

void expect_environment(Findings& findings, const Place& at, const std::vector<std::string>& list) {
    each(list, at, [&](const std::string& entry, const Place& place) {
        const auto equals = entry.find('=');
        if (equals != std::string::npos && equals > 0) return;
        findings.add(place, fmt::format("{} is not NAME=value", shown(entry)));
    });
}

namespace {

bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

bool overlap(const IdMapping& a, const IdMapping& b) {
    return overlap(a.container_id, a.size, b.container_id, b.size) ||
           overlap(a.host_id, a.size, b.host_id, b.size);
}

void judge_mapping(Findings& findings, const Place& place, const IdMapping& mapping) {
    // 4294967295 is no id but the word for "leave it": setresuid(2)
    constexpr std::uint64_t end_of_ids = 4294967295;
    const std::uint64_t highest = std::max(mapping.container_id, mapping.host_id);
    if (mapping.size == 0) findings.add(place, "maps no id at all: its size is 0");
    if (highest + mapping.size > end_of_ids) {
        findings.add(place, "leaves the range of ids, which ends at 4294967294");
    }
}

}  // namespace

void expect_mappings(Findings& findings, const Place& at, const std::vector<IdMapping>& list) {
    constexpr std::size_t most_ranges = 340;
    if (list.size() > most_ranges) {
        return findings.add(
            at, fmt::format("{} ranges: the kernel takes up to {}", list.size(), most_ranges));
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Place place{at, i};
        judge_mapping(findings, place, list[i]);
        for (std::size_t k = 0; k < i; ++k) {
            if (!overlap(list[i], list[k])) continue;
            findings.add(place, fmt::format("overlaps with range {}", k));
        }
    }
}

}  // namespace tenon::oci
