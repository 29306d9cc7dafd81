// Attributes travel with a file from layer to layer; overlayfs' marks on it speak of one mount
// only.
#include "attributes.hpp"

#include "tenon/file_syscalls.hpp"

namespace tenon {

bool is_overlay_mark(std::string_view xattr) {
    return xattr.starts_with("trusted.overlay.") || xattr.starts_with("user.overlay.");
}

Attributes plain_folder() {
    return {.mode = S_IFDIR | 0755, .uid = 0, .gid = 0, .modified = {}, .xattrs = {}};
}

Attributes attributes_of(const StackEntry& entry) {
    Attributes attributes{.mode = entry.status.st_mode,
                          .uid = entry.status.st_uid,
                          .gid = entry.status.st_gid,
                          .modified = entry.status.st_mtim,
                          .xattrs = {}};
    for (const std::string& name : sys::list_xattrs(entry.file)) {
        if (is_overlay_mark(name)) continue;
        if (std::optional<std::string> value = sys::get_xattr(entry.file, name)) {
            attributes.xattrs.emplace_back(name, std::move(*value));
        }
    }
    return attributes;
}

}  // namespace tenon
