/// @file
/// What /proc/self/status says of this process in one look: there are sets that the calls tell of
/// bit by bit only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

/// The set @p field: `SigIgn`, `CapBnd`. Nothing where no procfs is in sight: then ask the calls.
/// @see \man{proc_pid_status,5}
std::optional<std::uint64_t> own_status_set(std::string_view field);

}  // namespace tenon
