// Down and up again with one descriptor, as in tree_removal.cpp. Nobody has this folder mounted any
// more, so `..` is where we came from.
#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "store_folders.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/whiteout.hpp"

namespace tenon {

namespace {

std::vector<std::string> folders_in(FdRef here) {
    std::vector<std::string> folders;
    for (std::string& name : sys::names_in(here)) {
        if (S_ISDIR(sys::fstatat(here, name).st_mode)) folders.push_back(std::move(name));
    }
    return folders;
}

UniqueFd open_any(FdRef here, const std::string& name) {
    return sys::openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

template <typename Action>
void for_each_folder(FdRef changes, const Action& action) {
    UniqueFd here = open_any(changes, ".");
    std::vector<std::vector<std::string>> way{folders_in(here)};
    while (!way.empty()) {
        if (way.back().empty()) {
            way.pop_back();
            if (!way.empty()) here = open_any(here, "..");
            continue;
        }
        here = open_any(here, way.back().back());
        way.back().pop_back();
        action(FdRef{here});
        way.push_back(folders_in(here));
    }
}

}  // namespace

void share_opaque_marks(FdRef changes) {
    for_each_folder(changes, [](FdRef folder) {
        if (is_opaque(folder)) make_opaque(folder);
    });
}

void drop_copied_marks(FdRef changes) {
    for_each_folder(changes, [](FdRef folder) {
        const bool is_copied = sys::get_xattr(folder, "user.overlay.opaque") &&
                               !sys::get_xattr(folder, "trusted.overlay.opaque");
        if (is_copied) sys::remove_xattr(folder, "user.overlay.opaque");
    });
}

}  // namespace tenon
