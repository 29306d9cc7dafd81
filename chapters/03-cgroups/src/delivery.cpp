// The kernel answers with an errno where a person asks why: which controller, missing since where,
// and whose processes are in the way.
#include "delivery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <stdexcept>

#include "group_paths.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"

namespace tenon {

namespace {

[[noreturn]] void refuse_for_the_machine(const CgroupHierarchy& hierarchy,
                                         const std::string& controller) {
    if (hierarchy.in_v1.contains(controller)) {
        throw std::runtime_error(fmt::format(
            "the {} controller is in use by cgroup v1 on this machine, so v2 does not have it: "
            "boot with systemd.unified_cgroup_hierarchy=1, or use the lab VM: ./course vm shell",
            controller));
    }
    throw std::runtime_error(
        fmt::format("this kernel has no {} controller ({}/cgroup.controllers does not list it): "
                    "see its boot parameters (cgroup_disable=), or use the lab VM: ./course vm "
                    "shell",
                    controller, hierarchy.mount_point));
}

[[noreturn]] void refuse_for_the_parent(const CgroupHierarchy& hierarchy, const std::string& group,
                                        const std::string& controller) {
    throw std::runtime_error(fmt::format(
        "the {} controller does not reach {}{}: the group above passes on only what it was "
        "given; under systemd, as root: systemctl edit user@.service, with "
        "[Service] Delegate=cpu cpuset io memory pids",
        controller, hierarchy.mount_point, shown(group)));
}

// The kernel said ENOENT to +controller: somewhere above it is missing. The first place is the
// cause; those below only follow.
void explain_missing_controller(const CgroupHierarchy& hierarchy, std::string_view path,
                                const ControllerSet& wanted) {
    for (const std::string& group : ancestors_of(path)) {
        const ControllerSet here =
            read_controllers(hierarchy.root, file_in(group, "cgroup.controllers"));
        for (const std::string& controller : wanted) {
            if (here.contains(controller)) continue;
            if (group.empty()) refuse_for_the_machine(hierarchy, controller);
            refuse_for_the_parent(hierarchy, group, controller);
        }
    }
}

// The real root of the hierarchy is exempt, and the only group without a type.
bool may_have_both(FdRef root, const std::string& group) {
    return !read_kernel_file_if_present(root, file_in(group, "cgroup.type"));
}

// To +memory in a group with processes the kernel says EBUSY. To +pids or +cpu it says yes, and
// turns the group and all below it into a threaded tree, in which no container can start.
// cgroups(7), "Cgroups v2 thread mode"
void refuse_internal_processes(FdRef root, std::string_view path, const ControllerSet& wanted) {
    for (const std::string& group : ancestors_of(path)) {
        const ControllerSet passed_on =
            read_controllers(root, file_in(group, "cgroup.subtree_control"));
        if (std::includes(passed_on.begin(), passed_on.end(), wanted.begin(), wanted.end())) {
            continue;
        }
        const std::string procs = file_in(group, "cgroup.procs");
        if (may_have_both(root, group) || read_kernel_file(root, procs).empty()) continue;
        throw SysError(EBUSY, "enable controllers", shown(procs));
    }
}

}  // namespace

ControllerSet read_controllers(FdRef root, const std::string& file) {
    std::istringstream words{read_kernel_file(root, file)};
    ControllerSet controllers;
    for (std::string word; words >> word;) controllers.insert(word);
    return controllers;
}

void deliver_controllers(const CgroupHierarchy& hierarchy, const std::string& group,
                         const ControllerSet& wanted) {
    if (wanted.empty()) return;
    try {
        refuse_internal_processes(hierarchy.root, group, wanted);
        enable_controllers(hierarchy.root, group, wanted);
    } catch (const SysError& error) {
        if (error.call() == "enable controllers") throw;
        // Also to somebody who may not write there: more rights would not bring a controller.
        if (error.error() != EBUSY) explain_missing_controller(hierarchy, group, wanted);
        throw SysError(error.error(), "enable controllers", shown(error.subject()));
    }
}

}  // namespace tenon
