// Which id inside is which id outside. A map is a list of ranges, and the kernel takes it whole or
// not at all: with EINVAL, which says nothing. So everything that it would refuse is found here, in
// 64 bits, where no sum wraps around to a small number. user_namespaces(7)
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "id_map_checks.hpp"
#include "tenon/id_mappings.hpp"

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
    // BEGIN SOLUTION 09.2
    std::vector<IdMap> maps{{.container_id = 0, .host_id = own, .size = 1}};
    for (const IdRange& range : ranges) {
        for (const IdRange& part : without(range, own)) append(maps, part);
    }
    return maps;
    // END SOLUTION
}

}  // namespace

IdMappings rootless_mappings(const OwnIds& own) {
    // BEGIN SOLUTION 09.2
    // Both or none: with users and no groups, every file that a user of the container makes would
    // be refused for its group.
    if (own.subuids.empty() || own.subgids.empty()) {
        return {.uids = own_id_and(own.uid, {}), .gids = own_id_and(own.gid, {})};
    }
    return {.uids = own_id_and(own.uid, own.subuids), .gids = own_id_and(own.gid, own.subgids)};
    // END SOLUTION
}

std::vector<IdMap> remap_onto(std::span<const IdRange> ranges) {
    // BEGIN SOLUTION 09.2
    std::vector<IdMap> maps;
    for (const IdRange& range : ranges) append(maps, range);
    return maps;
    // END SOLUTION
}

void check_id_map(std::span<const IdMap> maps, std::string_view file) {
    // BEGIN SOLUTION 09.2
    if (maps.empty()) refuse(file, "it is empty: no id would exist inside");
    // One write, and the kernel takes less than a page in it.
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    if (maps.size() > most_map_lines || map_text(maps).size() >= page) {
        refuse(file, fmt::format("{} lines: the kernel takes {}, and less than a page of text",
                                 maps.size(), most_map_lines));
    }
    for (const IdMap& map : maps) {
        if (map.size == 0) refuse(file, map, "a size of 0 maps nothing");
        if (reaches_too_far(map)) refuse(file, map, "it goes beyond the last id, 4294967294");
    }
    // An id with two meanings: inside it would be two, outside two would be one.
    refuse_overlap(file, maps, "inside", &IdMap::container_id);
    refuse_overlap(file, maps, "outside", &IdMap::host_id);
    // END SOLUTION
}

}  // namespace tenon
