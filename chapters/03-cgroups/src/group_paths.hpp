// Paths of groups, and opening what they name. Internal to chapter 03.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tenon/error.hpp"
#include "tenon/fd.hpp"

namespace tenon {

// As people write it: from the root of the hierarchy.
inline std::string shown(std::string_view group) {
    return "/" + std::string{group};
}

// The path of `file` in `group`, relative to the root of the hierarchy.
std::string file_in(std::string_view group, std::string_view file);

// Where a path ends: the group that must be there, and the name of the new one.
std::pair<std::string, std::string> parent_and_name(std::string_view path);

// A group is no place to leave: no links, no "..". What is mounted inside the hierarchy is not it.
UniqueFd open_group(FdRef root, const std::string& path);

// Runs `body`; a refused call comes out named after what it was for, and on which group.
template <typename Body>
auto named(std::string_view what, std::string_view group, const Body& body) {
    try {
        return body();
    } catch (const SysError& error) {
        const std::string detail = error.subject().empty() ? "" : " (" + error.subject() + ")";
        throw SysError(error.error(), what, shown(group) + detail);
    }
}

}  // namespace tenon
