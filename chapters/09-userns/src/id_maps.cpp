// Maps as text: the kernel's, the command line's, and that of a refusal.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "id_map_checks.hpp"
#include "subid_lines.hpp"

namespace tenon {

void refuse(std::string_view file, std::string_view why) {
    throw std::invalid_argument(fmt::format("{}: {}", file, why));
}

void refuse(std::string_view file, const IdMap& map, std::string_view why) {
    throw std::invalid_argument(
        fmt::format("{} '{}:{}:{}': {}", file, map.container_id, map.host_id, map.size, why));
}

bool reaches_too_far(const IdMap& map) {
    const std::uint64_t size = map.size;
    return map.container_id + size > most_ids || map.host_id + size > most_ids;
}

void refuse_overlap(std::string_view file, std::span<const IdMap> maps, std::string_view side,
                    std::uint32_t IdMap::*begin) {
    std::vector<IdMap> sorted{maps.begin(), maps.end()};
    std::sort(sorted.begin(), sorted.end(),
              [&](const IdMap& a, const IdMap& b) { return a.*begin < b.*begin; });
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        const IdMap& before = sorted[i - 1];
        if (std::uint64_t{before.*begin} + before.size <= sorted[i].*begin) continue;
        refuse(file, sorted[i],
               fmt::format("it overlaps '{}:{}:{}' {}", before.container_id, before.host_id,
                           before.size, side));
    }
}

std::string map_text(std::span<const IdMap> maps) {
    std::string text;
    for (const IdMap& map : maps) {
        text += fmt::format("{} {} {}\n", map.container_id, map.host_id, map.size);
    }
    return text;
}

std::optional<std::uint32_t> to_host(std::span<const IdMap> maps, std::uint32_t id) {
    for (const IdMap& map : maps) {
        if (id < map.container_id || id - map.container_id >= map.size) continue;
        return map.host_id + (id - map.container_id);
    }
    return std::nullopt;
}

IdMap parse_id_map(std::string_view option, std::string_view text) {
    const std::vector<std::string_view> fields = split(text, ':');
    std::vector<std::uint32_t> numbers;
    for (const std::string_view field : fields) {
        const std::optional<std::uint64_t> number = parse_id_number(field);
        if (!number || *number > most_ids) break;
        numbers.push_back(static_cast<std::uint32_t>(*number));
    }
    if (fields.size() != 3 || numbers.size() != 3) {
        throw std::invalid_argument(fmt::format(
            "{}: '{}': write CONTAINER:HOST:SIZE, three numbers up to {}", option, text, most_ids));
    }
    return {.container_id = numbers[0], .host_id = numbers[1], .size = numbers[2]};
}

}  // namespace tenon
