// Limits for an ordinary user: the cgroup tree is systemd's, and it gives parts of it away. Which
// part, and by which command, depends on what is there. https://systemd.io/CGROUP_DELEGATION
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "tenon/bundle_plan.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns_options.hpp"

namespace tenon {

namespace {

// Groups are made in there, and processes moved: the folder and its list must be ours to write.
bool may_divide(const CgroupHierarchy& hierarchy, const std::string& group) {
    const std::string folder = fmt::format("{}/{}", hierarchy.mount_point, group);
    return ::access(folder.c_str(), W_OK) == 0 &&
           ::access((folder + "/cgroup.procs").c_str(), W_OK) == 0;
}

// user@UID.service: where systemd --user of this user runs, in a group that is theirs.
bool has_user_session(const CgroupHierarchy& hierarchy, uid_t uid) {
    const std::string service =
        fmt::format("{}/user.slice/user-{}.slice/user@{}.service", hierarchy.mount_point, uid, uid);
    struct stat status {};
    return ::stat(service.c_str(), &status) == 0 && status.st_uid == uid;
}

std::string how_to_get_one(const CgroupHierarchy& hierarchy,
                           const std::vector<std::string>& command) {
    if (has_user_session(hierarchy, ::geteuid())) {
        return fmt::format(
            "your systemd session gives you one: systemd-run --user --scope -p "
            "Delegate=yes -- {}",
            fmt::join(command, " "));
    }
    return "no systemd session of yours is there to give you one: log in (not by su), or have root "
           "run loginctl enable-linger for you, and then systemd-run --user --scope -p "
           "Delegate=yes; or take linux.resources and linux.cgroupsPath out of config.json";
}

}  // namespace

void require_own_cgroup(const oci::Spec& spec, const std::vector<std::string>& command) {
    if (!spec.linux || ::geteuid() == 0) return;
    CgroupOptions wanted{.path = spec.linux->cgroups_path};
    if (spec.linux->resources) wanted.limits = limits_from(*spec.linux->resources);
    if (!wanted.asks_for_group()) return;
    const trace::Step step{9, "look for a group of ours",
                           "limits are files, and files have owners"};
    const CgroupHierarchy hierarchy = open_cgroup_hierarchy();
    const std::string group = delegated_group(hierarchy);
    if (may_divide(hierarchy, group)) return;
    throw std::runtime_error(
        fmt::format("config.json asks for limits or a group, and {}/{} is not yours: {}",
                    hierarchy.mount_point, group, how_to_get_one(hierarchy, command)));
}

}  // namespace tenon
