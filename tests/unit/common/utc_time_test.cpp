#include "tenon/utc_time.hpp"

#include <ctime>
#include <random>

#include "catch.hpp"

TEST_CASE("a moment in UTC") {
    CHECK(tenon::utc_text(0) == "1970-01-01T00:00:00");
    CHECK(tenon::utc_text(951782399) == "2000-02-28T23:59:59");
    CHECK(tenon::utc_text(951782400) == "2000-02-29T00:00:00");
    CHECK(tenon::utc_text(4107542400) == "2100-03-01T00:00:00");
}

TEST_CASE("any moment is what the C library makes of it") {
    std::mt19937_64 random{std::random_device{}()};
    for (int i = 0; i < 1000; ++i) {
        const auto now = static_cast<std::time_t>(random() % 250'000'000'000);
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        char text[32];
        const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        CHECK(tenon::utc_text(now) == std::string(text, size));
    }
}
