// RFC 6901 in one function, and a limit on what a message may carry of a hostile document.
#include "findings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tenon/log.hpp"

namespace tenon::oci {

std::string pointer_step(std::string_view key) {
    std::string step = "/";
    for (const char c : key) {
        if (c == '~') {
            step += "~0";
        } else if (c == '/') {
            step += "~1";
        } else {
            step += c;
        }
    }
    return step;
}

std::string Place::pointer() const {
    if (above_ == nullptr) return std::string{key_};
    return above_->pointer() + (is_index_ ? fmt::format("/{}", index_) : pointer_step(key_));
}

std::string Findings::shortened(std::string pointer) {
    if (pointer.size() > longest_pointer) pointer.replace(longest_pointer, pointer.size(), "...");
    return pointer;
}

void Findings::add(const Place& place, std::string message) {
    if (full()) return;
    add({.pointer = place.pointer(), .message = std::move(message), .section = place.section()});
}

void Findings::add(Violation violation) {
    if (full()) return;
    violation.pointer = shortened(std::move(violation.pointer));
    if (violations_.size() == most) {
        violation.message = fmt::format("after {} violations, the rest is not listed", most);
    }
    violations_.push_back(std::move(violation));
}

std::string shown(std::string_view text) {
    constexpr std::size_t longest = 80;
    std::size_t end = std::min(text.size(), longest);
    // Not in the middle of a character: 10xxxxxx continues one.
    while (end > 0 && end < text.size() &&
           (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) {
        --end;
    }
    return fmt::format("'{}{}'", printable(text.substr(0, end)), end < text.size() ? "..." : "");
}

}  // namespace tenon::oci
