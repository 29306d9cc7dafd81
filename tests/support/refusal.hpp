// A refused call as text, to be compared whole: "openat /nowhere: ENOENT".
#pragma once

#include <fmt/format.h>

#include <string>

#include "tenon/error.hpp"

namespace tenon::test {

inline std::string refusal_text(const SysError& error) {
    return fmt::format("{}{}{}: {}", error.call(), error.subject().empty() ? "" : " ",
                       error.subject(), errno_name(error.error()));
}

// What `body` was told, or "accepted".
template <typename Body>
std::string refusal(Body&& body) {
    try {
        body();
    } catch (const SysError& error) {
        return refusal_text(error);
    }
    return "accepted";
}

}  // namespace tenon::test
