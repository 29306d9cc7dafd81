// What check_id_map() is put together from. Internal to chapter 09.
#pragma once

#include <span>
#include <string_view>

#include "tenon/id_mappings.hpp"

namespace tenon {

// Throws std::invalid_argument: `uid_map: why`, or `uid_map '0:100000:65536': why`.
[[noreturn]] void refuse(std::string_view file, std::string_view why);
[[noreturn]] void refuse(std::string_view file, const IdMap& map, std::string_view why);

// Whether either end of the line lies beyond the last id: counted in 64 bits, for in 32 it would
// begin again at 0.
bool reaches_too_far(const IdMap& map);

// Throws when two lines share an id on one side. `begin` is that side's first id.
void refuse_overlap(std::string_view file, std::span<const IdMap> maps, std::string_view side,
                    std::uint32_t IdMap::*begin);

}  // namespace tenon
