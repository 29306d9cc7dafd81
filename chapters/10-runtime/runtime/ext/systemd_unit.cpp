#include "systemd_unit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <stdexcept>

namespace tenon::ext {

namespace {

constexpr std::size_t longest_name = 255;  // systemd, UNIT_NAME_MAX
constexpr std::string_view annotation_prefix = "org.systemd.property.";

[[noreturn]] void refuse_path(const std::string& path, std::string_view why) {
    throw std::invalid_argument(fmt::format("/linux/cgroupsPath: '{}': {}", path, why));
}

// systemd.unit(5), "Description"; without '@', which would make it an instance of a template.
bool is_name_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view{":-_.\\"}.find(c) != std::string_view::npos;
}

bool is_unit_name(std::string_view name) {
    return !name.empty() && name.size() <= longest_name &&
           std::all_of(name.begin(), name.end(), is_name_character);
}

std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == at) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

// `-` is the root for runc, whose unit is called `-.slice`.
std::string slice_from(const std::string& text, bool of_user) {
    if (text.empty()) return of_user ? "user.slice" : "system.slice";
    return text == "-" ? "-.slice" : text;
}

UnitProperty yes(const char* name) {
    return {name, "b", {"true"}};
}

}  // namespace

ScopeName scope_from(const std::string& cgroups_path, const std::string& id, bool of_user) {
    const std::string path = cgroups_path.empty() ? ":tenon:" + id : cgroups_path;
    const std::vector<std::string> parts = split(path, ':');
    if (parts.size() != 3 || path.find('/') != std::string::npos) {
        refuse_path(path,
                    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "
                    "cgroups, such as system.slice:tenon:one");
    }
    if (parts[2].ends_with(".slice")) {
        refuse_path(path, "a container is put into a scope, not into a slice: give another name");
    }
    ScopeName scope{.slice = slice_from(parts[0], of_user),
                    .unit = fmt::format("{}-{}.scope", parts[1], parts[2])};
    if (parts[2].empty() || !is_unit_name(scope.unit)) {
        refuse_path(path,
                    "no name of a unit: letters, digits and -_.\\ make one, at most 255 of them");
    }
    path_of_slice(scope.slice);  // refuses what is none
    return scope;
}

std::string path_of_slice(const std::string& slice) {
    if (slice == "-.slice") return "";
    const bool right = slice.ends_with(".slice") && is_unit_name(slice);
    const std::string name = right ? slice.substr(0, slice.size() - 6) : "";
    std::string path;
    std::string above;
    for (const std::string& part : split(name, '-')) {
        if (part.empty()) refuse_path(slice, "no name of a slice, such as a-b.slice");
        above += (above.empty() ? "" : "-") + part;
        path += (path.empty() ? "" : "/") + above + ".slice";
    }
    return path;
}

std::vector<std::string> words_of(const std::vector<UnitProperty>& properties) {
    std::vector<std::string> words{std::to_string(properties.size())};
    for (const UnitProperty& property : properties) {
        words.push_back(property.name);
        words.push_back(property.type);
        words.insert(words.end(), property.values.begin(), property.values.end());
    }
    return words;
}

std::vector<UnitProperty> scope_properties(const ScopeName& scope, const std::string& id,
                                           const std::map<std::string, std::string>& annotations) {
    std::vector<UnitProperty> properties{{"Description", "s", {"tenon container " + id}},
                                         {"Slice", "s", {scope.slice}},
                                         yes("Delegate"),
                                         yes("CPUAccounting"),
                                         yes("IOAccounting"),
                                         yes("MemoryAccounting"),
                                         yes("TasksAccounting"),
                                         {"DefaultDependencies", "b", {"false"}}};
    for (const auto& [key, text] : annotations) {
        if (!key.starts_with(annotation_prefix)) continue;
        properties.push_back(property_from_annotation(key.substr(annotation_prefix.size()), text));
    }
    return properties;
}

unsigned version_from(std::string_view text) {
    if (text.starts_with('v')) text.remove_prefix(1);
    unsigned version = 0;
    std::from_chars(text.data(), text.data() + text.size(), version);
    return version;
}

}  // namespace tenon::ext
