// A path comes from a command line or a config.json: it is looked at as a text first, and walked
// by the kernel in one go afterwards.
#include "group_paths.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/cgroup.hpp"
#include "tenon/log.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// A newline in a name would forge lines of /proc/PID/cgroup.
bool is_strange_name(std::string_view name) {
    return name.empty() || name == "." || name == ".." ||
           std::any_of(name.begin(), name.end(),
                       [](unsigned char c) { return c < ' ' || c == 0x7F; });
}

// What is behind the last slash is a name as well, if an empty one.
bool has_strange_name(std::string_view path) {
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        if (is_strange_name(path.substr(begin, end - begin))) return true;
        begin = end + 1;
    }
    return false;
}

}  // namespace

void check_group_path(std::string_view path) {
    if (has_strange_name(path)) {
        throw std::invalid_argument(
            fmt::format("'{}' does not name a cgroup: write names with single slashes between, "
                        "such as demo or demo/one",
                        printable(path)));
    }
}

std::string file_in(std::string_view group, std::string_view file) {
    return group.empty() ? std::string{file} : fmt::format("{}/{}", group, file);
}

std::pair<std::string, std::string> parent_and_name(std::string_view path) {
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return {"", std::string{path}};
    return {std::string{path.substr(0, slash)}, std::string{path.substr(slash + 1)}};
}

UniqueFd open_group(FdRef root, const std::string& path) {
    constexpr std::uint64_t inside = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    return sys::openat2(root, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY, inside);
}

std::vector<std::string> ancestors_of(std::string_view group) {
    std::vector<std::string> above;
    if (!group.empty()) above.emplace_back();
    for (auto slash = group.find('/'); slash != std::string_view::npos;
         slash = group.find('/', slash + 1)) {
        above.emplace_back(group.substr(0, slash));
    }
    return above;
}

}  // namespace tenon
