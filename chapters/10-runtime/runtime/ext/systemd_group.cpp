#include "systemd_group.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <span>
#include <sstream>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/launch.hpp"
#include "tenon/messages.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::ext {

namespace {

constexpr const char* note = "systemdUnit";

void write_note(const std::string& folder, const NotedUnit& unit) {
    const std::string text = fmt::format("{} {}\n", unit.of_user ? "user" : "system", unit.name);
    const UniqueFd directory =
        sys::openat(FdRef::working_directory(), folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const UniqueFd file = sys::openat(directory, note, O_WRONLY | O_CREAT | O_EXCL, 0600);
    sys::write_all(file, std::as_bytes(std::span{text}), note);
}

// From the root of the hierarchy.
std::string group_of(pid_t pid) {
    std::istringstream lines{
        read_kernel_file(FdRef::working_directory(), fmt::format("/proc/{}/cgroup", pid))};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("0::/")) return line.substr(4);
    }
    return "";
}

// The kernel's word for it, because a slice may lie elsewhere than its name says.
std::string require_moved(pid_t pid, const std::string& unit) {
    std::string group = group_of(pid);
    if (group == unit || group.ends_with("/" + unit)) return group;
    throw std::runtime_error(
        fmt::format("systemd has started {}, and the process is in the cgroup /{}", unit, group));
}

// systemd hands down those that it knows, hugetlb and rdma not among them.
void bring_controllers(const CgroupHierarchy& hierarchy, const std::string& group,
                       const CgroupLimits& limits) {
    const ControllerSet there = read_controllers(hierarchy.root, group + "/cgroup.controllers");
    ControllerSet missing;
    for (const std::string& each : controllers_for(settings_for(limits))) {
        if (!there.contains(each)) missing.insert(each);
    }
    try {
        if (!missing.empty()) enable_controllers(hierarchy.root, group, missing);
    } catch (const SysError& error) {
        throw std::runtime_error(fmt::format(
            "the {} controller does not reach /{}: {}: leave that limit out, or have systemd hand "
            "the controller down (systemctl edit user@.service, Delegate=cpu cpuset io memory "
            "pids)",
            *missing.begin(), group, error.what()));
    }
}

void append(std::vector<UnitProperty>& to, const std::vector<UnitProperty>& more) {
    to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

SystemdGroup::~SystemdGroup() {
    if (asked_for_ && !kept()) stop_unit({.name = scope_.unit, .of_user = manager_.of_user()});
}

void SystemdGroup::extend_plan(LaunchPlan& plan) {
    plan.group_maker = this;
    annotations_ = plan.annotations;
    // What cannot be said is refused before anything is made.
    static_cast<void>(scope_properties(scope_, id_, annotations_));
}

std::string SystemdGroup::place(const CgroupHierarchy& /*hierarchy*/) {
    facts_ = manager_.ask();
    write_note(folder_, {.name = scope_.unit, .of_user = manager_.of_user()});
    std::string path;
    for (const std::string& part : {facts_.group, path_of_slice(scope_.slice), scope_.unit}) {
        if (part.empty()) continue;
        path += (path.empty() ? "" : "/") + part;
    }
    return path;
}

CgroupManager SystemdGroup::make(const CgroupHierarchy& hierarchy, const CgroupLimits& limits,
                                 const Child& child) {
    std::vector<UnitProperty> properties = scope_properties(scope_, id_, annotations_);
    append(properties, {{"PIDs", "au", {"1", std::to_string(child.pid())}}});
    append(properties, limit_properties(limits, facts_.version));
    append(properties, oom_properties(limits, facts_.version));
    manager_.make(scope_.unit, properties);
    asked_for_ = true;  // and not before: until then a unit of that name is somebody else's
    manager_.wait_for_start(scope_.unit);
    const std::string path = require_moved(child.pid(), scope_.unit);
    bring_controllers(hierarchy, path, limits);
    CgroupManager group = CgroupManager::open(hierarchy, path);
    group.apply(limits);
    return group;
}

std::optional<NotedUnit> noted_unit(const std::string& folder) {
    const std::optional<std::string> text =
        read_kernel_file_if_present(FdRef::working_directory(), folder + "/" + note);
    if (!text) return std::nullopt;
    std::istringstream words{*text};
    std::string whose;
    NotedUnit unit;
    words >> whose >> unit.name;
    unit.of_user = whose == "user";
    if (!unit.name.ends_with(".scope") || (!unit.of_user && whose != "system")) {
        throw std::runtime_error(fmt::format("{}/{}: no note of a unit", folder, note));
    }
    return unit;
}

void change_unit(const NotedUnit& unit, const CgroupLimits& limits) {
    const SystemdManager manager{find_systemd_tools(), unit.of_user};
    manager.set(unit.name, limit_properties(limits, manager.ask().version));
}

void stop_unit(const NotedUnit& unit) {
    try {
        SystemdManager{find_systemd_tools(), unit.of_user}.stop(unit.name);
    } catch (const std::exception& error) {
        tell_warning(error.what());
    }
}

}  // namespace tenon::ext
