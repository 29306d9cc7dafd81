// Configs to begin with, and questions to a list of violations.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "tenon/oci_config.hpp"

namespace tenon::test {

// The smallest config that is valid, with `more` members: `"hostname": "x"`.
inline std::string config_with(const std::string& more) {
    return R"({"ociVersion": "1.3.0", "root": {"path": "rootfs"})" +
           std::string{more.empty() ? "" : ", "} + more + "}";
}

// With `more` members in its process, which would be valid without them.
inline std::string process_with(const std::string& more) {
    return config_with(R"("process": {"cwd": "/", "args": ["sh"])" +
                       std::string{more.empty() ? "" : ", "} + more + "}");
}

// Valid, with a process and `linux`.
inline oci::Spec valid_spec() {
    oci::Spec spec{.oci_version = "1.3.0"};
    spec.process = oci::Process{.args = {"sh"}, .cwd = "/"};
    spec.root = oci::Root{.path = "rootfs"};
    spec.linux.emplace();
    return spec;
}

inline bool speaks_of(const std::vector<oci::Violation>& violations, const std::string& pointer) {
    return std::any_of(violations.begin(), violations.end(), [&](const oci::Violation& violation) {
        return violation.pointer == pointer;
    });
}

// `/a: message; /b: message`, or `none`.
inline std::string told(const std::vector<oci::Violation>& violations) {
    std::string text;
    for (const oci::Violation& violation : violations) {
        text +=
            fmt::format("{}{}: {}", text.empty() ? "" : "; ", violation.pointer, violation.message);
    }
    return text.empty() ? "none" : text;
}

// What parse_spec() throws, or "accepted".
inline std::string refusal_of_json(const std::string& json) {
    try {
        static_cast<void>(oci::parse_spec(json));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace tenon::test
