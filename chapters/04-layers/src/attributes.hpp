// What a file is besides its name and content.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/layer_stack.hpp"

namespace tenon {

struct Attributes {
    mode_t mode = 0;  // with the type, as in struct stat
    uid_t uid = 0;
    gid_t gid = 0;
    timespec modified{};
    std::vector<std::pair<std::string, std::string>> xattrs;
};

// Of a folder that nobody described: root's, 0755, and of the same time in every import.
Attributes plain_folder();

// As they are on disk, without overlayfs' own marks.
Attributes attributes_of(const StackEntry& entry);

// Whether overlayfs reads this xattr as a word of its own: opaque, redirect, metacopy, origin ...
bool is_overlay_mark(std::string_view xattr);

}  // namespace tenon
