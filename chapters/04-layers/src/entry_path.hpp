// Names as an archive's author wrote them, and how they are spoken of.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/layer_import.hpp"

namespace tenon {

// Plain names, from the layer's root down: none is empty, `.`, `..`, or holds a slash.
using LayerPath = std::vector<std::string>;

// `layer entry "name": why`; what no terminal should see of the name is escaped.
// @throws std::runtime_error  always
[[noreturn]] void refuse_entry(std::string_view name, std::string_view why);

// The name of an entry, or of a hard link's target, in components. A leading slash, `.` and doubled
// slashes mean nothing; the root itself is empty.
// @throws std::runtime_error  no name, `..`, a component over 255 bytes, one over the limits; a
// `.wh.`
//         name anywhere but at the end
LayerPath entry_path(std::string_view name, const ImportLimits& limits);

// The text of a symbolic link in components: `..` stays.
std::vector<std::string> link_components(std::string_view text);

// For messages and for the kernel.
std::string joined(std::span<const std::string> path);

}  // namespace tenon
