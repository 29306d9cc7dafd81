// The steps of a group's life in their order, and the words for what the kernel refuses. Its
// errno alone would be "write: ENOENT".
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "delivery.hpp"
#include "group_paths.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/hints.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/messages.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Whatever starts below a frozen group stands still before its first instruction, without a word.
void refuse_below_frozen(FdRef group, const std::string& path) {
    const auto events = read_kernel_file_if_present(group, "cgroup.events");  // the root has none
    if (!events || !parse_flat_keyed(*events).contains("frozen")) return;
    if (parse_flat_keyed(*events).at("frozen") == 0) return;
    throw std::runtime_error(fmt::format(
        "the cgroup {} is frozen: what starts below it would stand still. Thaw it first: write 0 "
        "to its cgroup.freeze",
        shown(path)));
}

UniqueFd make_directory(FdRef parent, const std::string& name) {
    sys::mkdirat(parent, name, 0755);
    try {
        return open_group(parent, name);
    } catch (const SysError&) {
        sys::unlinkat(parent, name, AT_REMOVEDIR);
        throw;
    }
}

// What clone3 says about the group it was to start in, and not about namespaces.
bool speaks_of_group(const SysError& error) {
    constexpr std::array about_groups{EACCES, EAGAIN, EBUSY, ENODEV, ENOENT, EOPNOTSUPP};
    return error.call() == "clone3" &&
           std::find(about_groups.begin(), about_groups.end(), error.error()) != about_groups.end();
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

CgroupManager::CgroupManager(UniqueFd parent, UniqueFd directory, std::string path, bool owned)
    : parent_(std::move(parent)),
      directory_(std::move(directory)),
      path_(std::move(path)),
      owned_(owned) {}

CgroupManager::~CgroupManager() {
    if (!owned_ || !parent_.valid()) return;
    try {
        remove();
    } catch (const SysError& error) {
        // Another error, or a signal, is on its way up: this one is told beside it.
        tell_warning(with_advice(error));
    } catch (const std::exception& error) {
        tell_warning(error.what());
    }
}

CgroupManager CgroupManager::create(const CgroupHierarchy& hierarchy, std::string_view path,
                                    const CgroupLimits& limits) {
    const trace::Step step{3, "make the group", "a directory: the kernel fills it with files"};
    check_group_path(path);
    const std::string whole{path};
    const std::pair<std::string, std::string> place = parent_and_name(path);
    UniqueFd parent =
        named("create cgroup", whole, [&] { return open_group(hierarchy.root, place.first); });
    refuse_below_frozen(parent, place.first);
    deliver_controllers(hierarchy, whole, controllers_for(settings_for(limits)));
    UniqueFd directory =
        named("create cgroup", whole, [&] { return make_directory(parent, place.second); });
    // From here on its destructor removes it.
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
    try {
        return spawn_in_cgroup(directory_, args, child_main);
    } catch (const SysError& error) {
        if (!speaks_of_group(error)) throw;
        throw SysError(error.error(), "start in cgroup", shown(path_));
    }
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
