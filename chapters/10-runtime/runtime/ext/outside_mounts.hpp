// Mounts of a container whose content is the host's: binds, covers of files, devices. A checkpoint
// does not hold them; when the container comes back, each is made again of what its config names
// then.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tenon/mount_plan.hpp"
#include "tenon/mountinfo.hpp"

namespace tenon::ext {

// One of the host's.
struct OutsideMount {
    std::string place;    // in the container
    std::string of;       // the target that the plan names; the place itself where it names none
    std::string below;    // how much deeper the place is: a bind brings what is mounted below it
    std::string options;  // of the mount: what it forbids stays forbidden
    bool operator==(const OutsideMount&) const = default;
};

// Pure. `where` says where a target of the plan is in the end: links may be on its way.
std::vector<OutsideMount> find_outside_mounts(
    const std::vector<MountInfo>& mounts, const MountPlan& plan,
    const std::function<std::string(const std::string& target)>& where);

// Child side, in the container's mount namespace: each forbids what it did before. criu 3.17 lets
// the second of two binds of one file be writable, and executable.
void forbid_again(const std::vector<OutsideMount>& mounts);

// Of what it is made on this host, for `plan`. Throws std::invalid_argument  the plan has none
std::string source_of(const OutsideMount& mount, const MountPlan& plan, const std::string& bundle);

}  // namespace tenon::ext
