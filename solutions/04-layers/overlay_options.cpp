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
    // BEGIN SOLUTION 04.1
    std::vector<std::string> options;
    if (!overlay.upper.empty()) {
        options.push_back("upperdir=" + escaped(overlay.upper));
        options.push_back("workdir=" + escaped(overlay.work));
        if (overlay.volatile_upper) options.emplace_back("volatile");
    }
    if (overlay.userxattr) {
        options.emplace_back("userxattr");
        return options;  // with it, the kernel takes not even redirect_dir=off
    }
    options.emplace_back(overlay.metacopy ? "metacopy=on" : "metacopy=off");
    // metacopy turns redirect_dir on by itself, and contradicts its being off.
    if (overlay.redirect_dir) options.emplace_back("redirect_dir=on");
    if (!overlay.redirect_dir && !overlay.metacopy) options.emplace_back("redirect_dir=off");
    return options;
    // END SOLUTION
}

}  // namespace

std::vector<std::string> overlay_options(const OverlayMount& overlay) {
    refuse_contradictions(overlay);
    // BEGIN SOLUTION 04.1
    std::vector<std::string> options;
    for (const std::string& lower : overlay.lower) options.push_back("lowerdir+=" + lower);
    const std::vector<std::string> others = upper_and_switches(overlay);
    options.insert(options.end(), others.begin(), others.end());
    return options;
    // END SOLUTION
}

std::string overlay_data(const OverlayMount& overlay) {
    refuse_contradictions(overlay);
    std::string data;
    // BEGIN SOLUTION 04.1
    for (const std::string& lower : overlay.lower) {
        data += (data.empty() ? "lowerdir=" : ":") + escaped(lower);
    }
    for (const std::string& option : upper_and_switches(overlay)) data += "," + option;
    // END SOLUTION
    if (data.size() > longest_data) {
        throw std::invalid_argument(
            "the overlay's options are longer than a page: too many layers for this kernel (from "
            "Linux 6.7 on there is no such limit)");
    }
    return data;
}

}  // namespace tenon
