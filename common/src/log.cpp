// A message becomes one line, and the line one write(2).
#include "tenon/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "tenon/utc_time.hpp"

namespace tenon {

namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};

std::string_view name_of(LogLevel level) {
    return level_names[static_cast<std::size_t>(level)];
}

std::string timestamp() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return fmt::format("{}.{:06}Z", utc_text(now.tv_sec), now.tv_nsec / 1000);
}

bool is_control(std::string_view text, std::size_t i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080..U+009F are two bytes, C2 80..9F: terminals obey U+009B like ESC [.
    const bool after_c2 = i > 0 && static_cast<unsigned char>(text[i - 1]) == 0xC2;
    return byte < 0x20 || byte == 0x7F || (after_c2 && byte >= 0x80 && byte < 0xA0);
}

std::string line_for(LogFormat format, LogLevel level, std::string_view message) {
    switch (format) {
        case LogFormat::Json:
            return fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n", name_of(level),
                               json_quote(message), timestamp());
        case LogFormat::KeyValue:
            return fmt::format("time=\"{}\" level={} msg={}\n", timestamp(), name_of(level),
                               json_quote(printable(message)));
        case LogFormat::Text: break;
    }
    return fmt::format("{}: {}\n", name_of(level), printable(message));
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_control(text, i)) {
            out += text[i];
        } else if (text[i] == '\n') {
            out += "\\n";
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
        }
    }
    return out;
}

std::string json_quote(std::string_view text) {
    using Json = nlohmann::json;
    constexpr auto replace_invalid = Json::error_handler_t::replace;
    return Json(text).dump(-1, ' ', /*ensure_ascii=*/false, replace_invalid);
}

void Log::plain(std::string_view text) const {
    [[maybe_unused]] const long written = ::write(out_.number(), text.data(), text.size());
}

void Log::write(LogLevel level, std::string_view message) const {
    if (level < lowest_) return;
    const std::string line = line_for(format_, level, message);
    // A log that cannot be written must not stop the work it reports on.
    [[maybe_unused]] const long written = ::write(out_.number(), line.data(), line.size());
}

}  // namespace tenon
