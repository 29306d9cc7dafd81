// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// An overlay is described by text. Since Linux 6.7 each lower folder is an option of its own
// (`lowerdir+`) and may be as long as any path. Before, all of them shared one string, with colons
// between, and the string shared one page with everything else: some hundred layers, if the paths
// are short. Hence paths that are relative to one folder.
// Documentation/filesystems/overlayfs.rst, "Multiple lower layers"
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/overlay.hpp"
#include "tenon/todo.hpp"

namespace tenon {

namespace {

// mount(2) copies one page, and the last byte of it is the terminating NUL.
constexpr std::size_t longest_data = 4095;

// The kernel refuses all of these as well, but by EINVAL, whatever it was.
void refuse_contradictions(const OverlayMount& overlay) {
    if (overlay.lower.empty()) throw std::invalid_argument("an overlay needs a lower folder");
    if (overlay.upper.empty() != overlay.work.empty()) {
        throw std::invalid_argument(
            "an overlay's upper folder and its work folder need each other");
    }
    if (overlay.userxattr && (overlay.metacopy || overlay.redirect_dir)) {
        throw std::invalid_argument(
            "metacopy and redirect_dir cannot be had with userxattr: in a user namespace whoever "
            "owns the upper folder could forge their marks, and name any file by them");
    }
}

// A colon ends a folder and a comma an option, where several share one text. Upper and work folder
// are unescaped whichever way they come; what `lowerdir+` gets is taken as it is.
[[maybe_unused]] std::string escaped(std::string_view path) {
    std::string text;
    for (const char c : path) {
        if (c == ':' || c == ',' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

// Upper folder and switches: the same in both languages.
std::vector<std::string> upper_and_switches(const OverlayMount& overlay) {
    // TASK 04.1  folders on top of each other  (20 points)
    // man: mount(2), fsconfig(2)
    // hint: Linux' Documentation/filesystems/overlayfs.rst has the words: lowerdir+, upperdir,
    //   workdir, volatile, userxattr, metacopy, redirect_dir. Which of the layers comes first? And
    //   what holds for a switch that nobody mentions?
    // more: ./course hint 04.1
    TENON_TODO("04.1");
}

}  // namespace

std::vector<std::string> overlay_options(const OverlayMount& overlay) {
    refuse_contradictions(overlay);
    // TASK 04.1, continued
    TENON_TODO("04.1");
}

std::string overlay_data(const OverlayMount& overlay) {
    refuse_contradictions(overlay);
    std::string data;
    // TASK 04.1, continued
    TENON_TODO("04.1");
    if (data.size() > longest_data) {
        throw std::invalid_argument(
            "the overlay's options are longer than a page: too many layers for this kernel (from "
            "Linux 6.7 on there is no such limit)");
    }
    return data;
}

}  // namespace tenon
