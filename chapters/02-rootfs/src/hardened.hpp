// The attributes of every mount that holds data and no programs. Internal to chapter 02.
#pragma once

#include <sys/mount.h>

#include <cstdint>

namespace tenon {

inline constexpr std::uint64_t hardened = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

}  // namespace tenon
