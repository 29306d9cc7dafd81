/// @file
/// /proc/PID/mountinfo: the mounts of a namespace, as one of its processes sees them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenon {

/// One line. @see \man{proc_pid_mountinfo,5}
struct MountInfo {
    std::string id;
    std::string device;   ///< major:minor of its file system
    std::string root;     ///< which part of that it shows
    std::string place;    ///< where it is mounted, as seen from the process's root
    std::string options;  ///< of the mount: `ro,nosuid`
    bool operator==(const MountInfo&) const = default;
};

/// Pure. In the order of the text: what is mounted on something comes after it.
std::vector<MountInfo> parse_mountinfo(std::string_view text);

/// Whether @p place is @p above, or lies below it. Both absolute, without `.` and `..`.
bool is_at_or_below(std::string_view place, std::string_view above);

}  // namespace tenon
