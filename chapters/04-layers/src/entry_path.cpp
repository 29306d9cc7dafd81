// One place decides what a name may be, so that everything behind it may rely on plain components.
#include "entry_path.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <climits>
#include <stdexcept>

#include "tenon/whiteout.hpp"

namespace tenon {

namespace {

constexpr std::size_t shown_length = 200;

bool is_printable(char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f' && c != '"' && c != '\\';
}

// A name could hold a terminal's control sequences, or a line of our own output.
std::string printable(std::string_view name) {
    std::string text;
    for (const char c : name.substr(0, shown_length)) {
        text += is_printable(c) ? std::string(1, c)
                                : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return name.size() > shown_length ? text + "..." : text;
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find('/'));
        if (!part.empty() && part != ".") parts.emplace_back(part);
        text.remove_prefix(std::min(text.size(), part.size() + 1));
    }
    return parts;
}

void check_component(std::string_view name, const std::string& component, bool is_last) {
    if (component == "..") refuse_entry(name, "\"..\" would leave the layer");
    if (component.size() > NAME_MAX) refuse_entry(name, "a component is longer than 255 bytes");
    if (!is_last && component.starts_with(whiteout_name(""))) {
        refuse_entry(name, "a whiteout is no folder");
    }
}

}  // namespace

void refuse_entry(std::string_view name, std::string_view why) {
    throw std::runtime_error(fmt::format("layer entry \"{}\": {}", printable(name), why));
}

LayerPath entry_path(std::string_view name, const ImportLimits& limits) {
    if (name.empty()) refuse_entry(name, "it has no name");
    if (name.size() > limits.path_length) {
        refuse_entry(name, fmt::format("longer than {} bytes", limits.path_length));
    }
    LayerPath path = split(name);
    if (path.size() > limits.path_depth) {
        refuse_entry(name, fmt::format("more than {} components", limits.path_depth));
    }
    for (std::size_t i = 0; i < path.size(); ++i) {
        check_component(name, path[i], i + 1 == path.size());
    }
    return path;
}

std::vector<std::string> link_components(std::string_view text) {
    return split(text);
}

std::string joined(std::span<const std::string> path) {
    return fmt::format("{}", fmt::join(path, "/"));
}

}  // namespace tenon
