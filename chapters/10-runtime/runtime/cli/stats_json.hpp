// What `events` tells of a group, in the names that go-runc reads.
#pragma once

#include <string>

#include "tenon/cgroup_stats.hpp"
#include "tenon/fd.hpp"

namespace tenon::cli {

// One line. `stats` are those of `group`, of which memory.stat, the huge pages and the pressures
// are read besides.
// See runc, types/events.go
std::string stats_line(const std::string& id, const CgroupStats& stats, FdRef group);

}  // namespace tenon::cli
