// The steps of a group's life in their order, and the words for what the kernel refuses. Its
// errno alone would be "write: ENOENT".
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <stdexcept>

#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Runs `body`; a refused call comes out named after what it was for, and on which group.
template <typename Body>
auto named(std::string_view what, const std::string& group, const Body& body) {
    try {
        return body();
    } catch (const SysError& error) {
        throw SysError(error.error(), what, fmt::format("/{} ({})", group, error.subject()));
    }
}

std::string shown(const std::string& group) {
    return "/" + group;
}

// Where a path ends: the group that must be there, and the name of the new one.
std::pair<std::string, std::string> parent_and_name(std::string_view path) {
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return {"", std::string{path}};
    return {std::string{path.substr(0, slash)}, std::string{path.substr(slash + 1)}};
}

// A group is no place to leave: no links, no "..". What is mounted inside the hierarchy is not it.
UniqueFd open_group(FdRef root, const std::string& path) {
    constexpr std::uint64_t inside = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    return sys::openat2(root, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY, inside);
}

std::string controllers_file(const std::string& group) {
    return group.empty() ? "cgroup.controllers" : group + "/cgroup.controllers";
}

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
        const ControllerSet here = read_controllers(hierarchy.root, controllers_file(group));
        for (const std::string& controller : wanted) {
            if (here.contains(controller)) continue;
            if (group.empty()) refuse_for_the_machine(hierarchy, controller);
            refuse_for_the_parent(hierarchy, group, controller);
        }
    }
}

void enable(const CgroupHierarchy& hierarchy, const std::string& path,
            const ControllerSet& wanted) {
    if (wanted.empty()) return;
    try {
        enable_controllers(hierarchy.root, path, wanted);
    } catch (const SysError& error) {
        if (error.error() == ENOENT || error.error() == EINVAL) {
            explain_missing_controller(hierarchy, path, wanted);
        }
        throw SysError(error.error(), "enable controllers", shown(error.subject()));
    }
}

// Others may be removing the same groups, each for its own reason: whoever made one below ours. A
// group that vanishes under remove_cgroup() is no failure, but the rest must be looked at again.
// ENODEV is what an open file of a gone group says.
void remove_with_others(FdRef parent, const std::string& name) {
    constexpr int attempts = 100;
    for (int attempt = 1;; ++attempt) {
        try {
            return remove_cgroup(parent, name);
        } catch (const SysError& error) {
            const bool vanished = error.error() == ENOENT || error.error() == ENODEV;
            if (!vanished || attempt == attempts) throw;
        }
    }
}

}  // namespace

void check_group_path(std::string_view path) {
    std::istringstream parts{std::string{path}};
    bool strange = path.empty() || path.front() == '/' || path.back() == '/';
    for (std::string part; std::getline(parts, part, '/');) {
        strange = strange || part.empty() || part == "." || part == "..";
    }
    if (strange) {
        throw std::invalid_argument(
            fmt::format("'{}' does not name a cgroup: write names with single slashes between, "
                        "such as demo or demo/one",
                        path));
    }
}

std::vector<std::string> ancestors_of(std::string_view group) {
    std::vector<std::string> above;
    if (!group.empty()) above.emplace_back();
    for (auto slash = group.find('/'); slash != std::string_view::npos;
         slash = group.find('/', slash + 1)) {
        above.emplace_back(group.substr(0, slash));
    }
    return above;
}

ControllerSet read_controllers(FdRef root, const std::string& file) {
    std::istringstream words{read_kernel_file(root, file)};
    ControllerSet controllers;
    for (std::string word; words >> word;) controllers.insert(word);
    return controllers;
}

CgroupManager::CgroupManager(UniqueFd parent, UniqueFd directory, std::string path, bool owned)
    : parent_(std::move(parent)),
      directory_(std::move(directory)),
      path_(std::move(path)),
      owned_(owned) {}

CgroupManager::~CgroupManager() {
    if (!owned_ || !parent_.valid()) return;
    try {
        remove();
    } catch (const std::exception&) {
        return;  // an error is on its way up already, or there is nobody left to tell
    }
}

CgroupManager CgroupManager::create(const CgroupHierarchy& hierarchy, std::string_view path,
                                    const CgroupLimits& limits) {
    const trace::Step step{3, "make the group", "a directory: the kernel fills it with files"};
    check_group_path(path);
    const std::string whole{path};
    const auto [above, name] = parent_and_name(path);
    UniqueFd parent =
        named("create cgroup", whole, [&] { return open_group(hierarchy.root, above); });
    enable(hierarchy, whole, controllers_for(settings_for(limits)));
    UniqueFd directory = named("create cgroup", whole, [&] {
        sys::mkdirat(parent, name, 0755);
        return open_group(parent, name);
    });
    CgroupManager group{std::move(parent), std::move(directory), whole, true};
    group.apply(limits);
    return group;
}

CgroupManager CgroupManager::open(const CgroupHierarchy& hierarchy, std::string_view path) {
    check_group_path(path);
    const std::string whole{path};
    return named("open cgroup", whole, [&] {
        return CgroupManager{open_group(hierarchy.root, parent_and_name(path).first),
                             open_group(hierarchy.root, whole), whole, false};
    });
}

void CgroupManager::apply(const CgroupLimits& limits) const {
    named("apply limit", path_, [&] { apply_limits(directory_, limits); });
}

void CgroupManager::attach(pid_t pid) const {
    named("attach to cgroup", path_, [&] { attach_process(directory_, pid); });
}

Child CgroupManager::spawn(const CloneArgs& args, const ChildMain& child_main) const {
    return spawn_in_cgroup(directory_, args, child_main);
}

CgroupStats CgroupManager::stats() const {
    return named("read cgroup", path_, [&] { return read_stats(directory_); });
}

void CgroupManager::remove() {
    owned_ = false;
    named("remove cgroup", path_,
          [&] { remove_with_others(parent_, parent_and_name(path_).second); });
}

}  // namespace tenon
