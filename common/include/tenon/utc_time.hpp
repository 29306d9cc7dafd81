/// @file
/// A moment as engines read it: RFC 3339, in UTC.
#pragma once

#include <ctime>
#include <string>

namespace tenon {

/// @p now to the second, as in 2026-01-31T23:59:59, without a zone: the caller adds a fraction,
/// and Z. Years of four digits.
std::string utc_text(std::time_t now);

}  // namespace tenon
