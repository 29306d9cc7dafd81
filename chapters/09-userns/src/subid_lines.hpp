// Lines and fields. Internal to chapter 09.
#pragma once

#include <string_view>
#include <vector>

#include "tenon/subid.hpp"

namespace tenon {

// The parts of `text` between separators: "a::b" has three, "" has one.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace tenon
