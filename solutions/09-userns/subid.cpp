// Ranges of ids that an administrator gave away. What is read here decides whose files a container
// can write to, so a line counts only when it says exactly one thing.
// subuid(5), subgid(5)
#include <fmt/format.h>

#include <algorithm>

#include "subid_lines.hpp"
#include "tenon/subid.hpp"

namespace tenon {

namespace {

// A file may name its owner either way, and the same one both ways.
[[maybe_unused]] bool belongs_to(std::string_view word, const SubidOwner& owner) {
    if (word.empty()) return false;
    return word == owner.name || word == std::to_string(owner.uid);
}

// Both ends are counted in 64 bits: 4294967290 + 10 would be 4 in 32.
[[maybe_unused]] bool overlap(const IdRange& a, const IdRange& b) {
    return a.first < std::uint64_t{b.first} + b.size && b.first < std::uint64_t{a.first} + a.size;
}

// Why the line grants nothing; empty when it does, and then `range` is what it grants.
[[maybe_unused]] std::string judge(const std::vector<std::string_view>& fields,
                                   const std::vector<IdRange>& before, IdRange& range) {
    // BEGIN SOLUTION 09.1
    if (fields.size() != 3) return "three fields are needed: name:first:count";
    const std::optional<std::uint64_t> first = parse_id_number(fields[1]);
    const std::optional<std::uint64_t> count = parse_id_number(fields[2]);
    if (!first || !count) return "first and count must be decimal numbers";
    if (*count == 0) return "a count of 0 grants nothing";
    // Each alone first: their sum could be beyond 64 bits.
    if (*first >= most_ids || *count > most_ids || *first + *count > most_ids) {
        return fmt::format("the last id is {}", most_ids - 1);
    }
    range = {static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*count)};
    const auto shared = [&](const IdRange& other) { return overlap(range, other); };
    if (std::any_of(before.begin(), before.end(), shared)) return "it overlaps an earlier line";
    return {};
    // END SOLUTION
}

}  // namespace

Subids parse_subids(std::string_view text, const SubidOwner& owner) {
    Subids found;
    // BEGIN SOLUTION 09.1
    int number = 0;
    for (const std::string_view line : split(text, '\n')) {
        ++number;
        const std::vector<std::string_view> fields = split(line, ':');
        if (!belongs_to(fields[0], owner)) continue;
        IdRange range;
        const std::string problem = judge(fields, found.ranges, range);
        if (problem.empty()) {
            found.ranges.push_back(range);
        } else {
            found.problems.push_back(fmt::format("line {}: {}", number, problem));
        }
    }
    return found;
    // END SOLUTION
}

}  // namespace tenon
