/// @file
/// Which implementation of each exercise is linked into this program.
#pragma once

#include <string>
#include <string_view>

namespace tenon {

/// What `--version` prints for @p program: name and version, then one line per exercise of
/// chapters up to @p last_chapter with `reference` or `lab`. The table is written by CMake.
std::string version_text(std::string_view program, int last_chapter);

}  // namespace tenon
