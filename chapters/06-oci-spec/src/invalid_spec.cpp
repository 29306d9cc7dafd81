// One line, whatever is wrong: it goes to a terminal or a log. It tells the first violations, and
// how many there are; `validate` lists them all.
#include <fmt/format.h>

#include <algorithm>

#include "tenon/log.hpp"
#include "tenon/oci_config.hpp"

namespace tenon::oci {

namespace {

constexpr std::size_t told_at_once = 3;

std::string text_of(const std::vector<Violation>& violations) {
    std::string text;
    for (std::size_t i = 0; i < std::min(violations.size(), told_at_once); ++i) {
        const auto& [pointer, message, section] = violations[i];
        text +=
            fmt::format("{}{}: {} ({})", i == 0 ? "" : "; ",
                        pointer.empty() ? "the document" : printable(pointer), message, section);
    }
    if (violations.size() <= told_at_once) return "config.json: " + text;
    return fmt::format("config.json: {}; and {} more, which validate lists", text,
                       violations.size() - told_at_once);
}

}  // namespace

InvalidSpec::InvalidSpec(std::vector<Violation> violations)
    : std::runtime_error(text_of(violations)), violations_(std::move(violations)) {}

}  // namespace tenon::oci
