// By arithmetic: gmtime_r(3), like localtime_r(3), reads /etc/localtime first, which may be a
// container's, and formatting by the C++ library sets up its locales.
#include "tenon/utc_time.hpp"

#include <fmt/format.h>

#include <chrono>

namespace tenon {

std::string utc_text(std::time_t now) {
    using std::chrono::days, std::chrono::seconds;
    const std::chrono::sys_seconds moment{seconds{now}};
    const auto midnight = std::chrono::floor<days>(moment);
    const std::chrono::year_month_day date{midnight};
    const std::chrono::hh_mm_ss<seconds> time{moment - midnight};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count());
}

}  // namespace tenon
