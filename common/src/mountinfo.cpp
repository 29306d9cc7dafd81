#include "tenon/mountinfo.hpp"

#include <charconv>
#include <sstream>

namespace tenon {

namespace {

// mountinfo writes blanks and backslashes as \040 and \134.
std::string unescaped(std::string_view text) {
    constexpr std::size_t digits = 3;
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        const char* const begin = text.data() + i + 1;
        if (text[i] == '\\' && i + digits < text.size() &&
            std::from_chars(begin, begin + digits, code, 8).ptr == begin + digits) {
            plain += static_cast<char>(code);
            i += digits;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

}  // namespace

std::vector<MountInfo> parse_mountinfo(std::string_view text) {
    std::vector<MountInfo> mounts;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        MountInfo mount;
        std::string parent;
        words >> mount.id >> parent >> mount.device >> mount.root >> mount.place >> mount.options;
        mount.root = unescaped(mount.root);
        mount.place = unescaped(mount.place);
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

bool is_at_or_below(std::string_view place, std::string_view above) {
    return place.starts_with(above) &&
           (place.size() == above.size() || above == "/" || place[above.size()] == '/');
}

}  // namespace tenon
