// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// Which id inside is which id outside. A map is a list of ranges, and the kernel takes it whole or
// not at all: with EINVAL, which says nothing. So everything that it would refuse is found here, in
// 64 bits, where no sum wraps around to a small number. user_namespaces(7)
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "id_map_checks.hpp"
#include "tenon/id_mappings.hpp"
#include "tenon/todo.hpp"

namespace tenon {

namespace {

// `range` without `id`: itself, or what lies before and what lies after.
[[maybe_unused]] std::vector<IdRange> without(const IdRange& range, std::uint32_t id) {
    if (id < range.first || id - range.first >= range.size) return {range};
    const std::uint32_t before = id - range.first;
    const std::uint32_t after = range.size - before - 1;
    std::vector<IdRange> parts;
    if (before > 0) parts.push_back({range.first, before});
    if (after > 0) parts.push_back({id + 1, after});
    return parts;
}

// Appends `range` where the map ends inside. What has no number left there is cut off.
[[maybe_unused]] void append(std::vector<IdMap>& maps, const IdRange& range) {
    const std::uint64_t next =
        maps.empty() ? 0 : std::uint64_t{maps.back().container_id} + maps.back().size;
    const auto size = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(range.size, most_ids - std::min(next, most_ids)));
    if (size > 0) maps.push_back({static_cast<std::uint32_t>(next), range.first, size});
}

[[maybe_unused]] std::vector<IdMap> own_id_and(std::uint32_t own,
                                               const std::vector<IdRange>& ranges) {
    // TASK 09.2  maps that the kernel takes  (30 points)
    // man: user_namespaces(7)
    // hint: Root inside must be the user outside: then what root makes belongs to the user. Which
    //   number comes next inside, and where is it outside?
    // more: ./course hint 09.2
    TENON_TODO("09.2");
}

}  // namespace

IdMappings rootless_mappings(const OwnIds& own) {
    // TASK 09.2, continued
    TENON_TODO("09.2");
}

std::vector<IdMap> remap_onto(std::span<const IdRange> ranges) {
    // TASK 09.2, continued
    TENON_TODO("09.2");
}

void check_id_map(std::span<const IdMap> maps, std::string_view file) {
    // TASK 09.2, continued
    TENON_TODO("09.2");
}

}  // namespace tenon
