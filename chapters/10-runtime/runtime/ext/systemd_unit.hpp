// What systemd is told of a container, as data: the unit that a config asks for, and the unit's
// properties. Nothing here makes a system call.
//
// A unit's limits are systemd's: it writes them into the group again whenever it has a reason to,
// such as daemon-reload. So what there is a property for is told as one, and all of it is written
// into the group besides, because there are limits that systemd has no word for.
// See systemd.resource-control(5); runc, docs/systemd.md
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/cgroup_limits.hpp"

namespace tenon::ext {

// A scope, and the slice that it lies in.
struct ScopeName {
    std::string slice;  // `machine.slice`
    std::string unit;   // `libpod-ID.scope`
    bool operator==(const ScopeName&) const = default;
};
// What `slice:prefix:name` asks for; an empty path is `:tenon:ID`. Without a slice it is system's,
// and a user manager's user.slice.
// Throws std::invalid_argument  another form; a name that is none of a unit; a slice as the name
ScopeName scope_from(const std::string& cgroups_path, const std::string& id, bool of_user);

// `a.slice/a-b.slice` for `a-b.slice`; empty for `-.slice`, the root.
// Throws std::invalid_argument  no slice's name
std::string path_of_slice(const std::string& slice);

// One of D-Bus's (sv). The values as busctl(1) takes them, "Parameter Formatting".
struct UnitProperty {
    std::string name;
    std::string type;
    std::vector<std::string> values;
    bool operator==(const UnitProperty&) const = default;
};
// The number of properties, and then each of them: an a(sv).
std::vector<std::string> words_of(const std::vector<UnitProperty>& properties);

// Those for `limits` that systemd of that version knows, each at most once.
std::vector<UnitProperty> limit_properties(const CgroupLimits& limits, unsigned version);

// What a new scope has besides its limits: slice, delegation, accounting, and `annotations` of the
// config with the names org.systemd.property.*. They come last: systemd takes the later one of two.
// Throws std::invalid_argument  an annotation's value is no text of GVariant that is known here
std::vector<UnitProperty> scope_properties(const ScopeName& scope, const std::string& id,
                                           const std::map<std::string, std::string>& annotations);

// `memory.oom.group`, which systemd has another word for and takes at the beginning only.
std::vector<UnitProperty> oom_properties(const CgroupLimits& limits, unsigned version);

// The number at the beginning of `252.38-1~deb12u1` or `v255`; 0 for any other text.
unsigned version_from(std::string_view text);

// The value of an annotation: `true`, `'text'`, `['a', 'b']`, `uint64 5`. A name that ends in Sec
// is one in USec for systemd: the value is seconds. GVariant, "Text Format"
UnitProperty property_from_annotation(std::string name, std::string_view text);

}  // namespace tenon::ext
