// A message becomes one line, and the line one write(2).
#include "tenon/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

namespace tenon {

namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};

std::string_view name_of(LogLevel level) {
    return level_names[static_cast<std::size_t>(level)];
}

// RFC 3339 in UTC: the local zone would make us read /etc/localtime, maybe a container's.
std::string timestamp() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", parts, now.tv_nsec / 1000);
}

// A file name may hold a newline or a terminal's control sequence: neither may forge a line.
std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
        out += control ? fmt::format("\\x{:02x}", static_cast<unsigned>(c)) : std::string(1, c);
    }
    return out;
}

}  // namespace

std::string json_quote(std::string_view text) {
    using Json = nlohmann::json;
    constexpr auto replace_invalid = Json::error_handler_t::replace;
    return Json(text).dump(-1, ' ', /*ensure_ascii=*/false, replace_invalid);
}

void Log::write(LogLevel level, std::string_view message) const {
    if (level < lowest_) return;
    const std::string line = format_ == LogFormat::Json
                                 ? fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n",
                                               name_of(level), json_quote(message), timestamp())
                                 : fmt::format("{}: {}\n", name_of(level), printable(message));
    // A log that cannot be written must not stop the work it reports on.
    [[maybe_unused]] const long written = ::write(out_.number(), line.data(), line.size());
}

}  // namespace tenon
