// The last steps before the program: where it stands, what it may use, who it is. In this order: a
// folder of root's is entered by root, a limit is raised by root, and then root is gone.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

struct LimitName {
    std::string_view name;
    int resource;
};

constexpr std::array limit_names{
    LimitName{"RLIMIT_AS", RLIMIT_AS},
    LimitName{"RLIMIT_CORE", RLIMIT_CORE},
    LimitName{"RLIMIT_CPU", RLIMIT_CPU},
    LimitName{"RLIMIT_DATA", RLIMIT_DATA},
    LimitName{"RLIMIT_FSIZE", RLIMIT_FSIZE},
    LimitName{"RLIMIT_LOCKS", RLIMIT_LOCKS},
    LimitName{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    LimitName{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    LimitName{"RLIMIT_NICE", RLIMIT_NICE},
    LimitName{"RLIMIT_NOFILE", RLIMIT_NOFILE},
    LimitName{"RLIMIT_NPROC", RLIMIT_NPROC},
    LimitName{"RLIMIT_RSS", RLIMIT_RSS},
    LimitName{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    LimitName{"RLIMIT_RTTIME", RLIMIT_RTTIME},
    LimitName{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    LimitName{"RLIMIT_STACK", RLIMIT_STACK},
};

int resource_of(const std::string& name) {
    const auto* const found = std::find_if(limit_names.begin(), limit_names.end(),
                                           [&](const LimitName& row) { return row.name == name; });
    if (found != limit_names.end()) return found->resource;
    throw std::invalid_argument(fmt::format("/process/rlimits: there is no limit '{}'", name));
}

// Magic links are refused on the way: a descriptor that leaked in would be a door to the outside.
UniqueFd open_working_directory(const std::string& path) {
    const UniqueFd root = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    return make_target(root, path, TargetKind::Directory);
}

}  // namespace

void make_working_directory(FdRef root, const oci::Process& process) {
    if (process.cwd.empty()) return;
    try {
        make_target(root, process.cwd, TargetKind::Directory);
    } catch (const SysError&) {
        return;
    }
}

void enter_working_directory(const oci::Process& process) {
    const trace::Step step{6, "enter the working directory", "and look that it is inside the root"};
    const std::string path = process.cwd.empty() ? "/" : process.cwd;
    try {
        sys::fchdir(open_working_directory(path), path);
    } catch (const SysError& error) {
        throw SysError(error.error(), "chdir", path + " (/process/cwd)");
    }
    // The kernel marks what no path from the root leads to (CVE-2024-21626).
    if (!sys::getcwd().starts_with('/')) throw SysError(ENOENT, "chdir", path + " (/process/cwd)");
}

std::vector<HardLimit> hard_limits_of(const oci::Process& process) {
    std::vector<HardLimit> limits;
    for (const oci::Rlimit& limit : process.rlimits) {
        limits.push_back({resource_of(limit.type), limit.hard});
    }
    return limits;
}

void apply_process_limits(const oci::Process& process) {
    const trace::Step step{6, "set umask and limits",
                           "last: our own work may need more than these"};
    if (process.user.umask) sys::umask(*process.user.umask);
    for (const oci::Rlimit& limit : process.rlimits) {
        sys::set_own_limit(resource_of(limit.type), limit.soft, limit.hard, limit.type);
    }
}

void become_user(const oci::User& user) {
    const trace::Step step{6, "become the user", "groups first: without root nobody may drop them"};
    const int death_signal = sys::parent_death_signal();
    try {
        sys::setgroups(user.additional_gids);
    } catch (const SysError& error) {
        // Denied for good in the user namespace of an ordinary user, who has no groups to give
        // away. user_namespaces(7), "/proc/pid/setgroups"
        if (error.error() != EPERM || !user.additional_gids.empty()) throw;
    }
    sys::setresgid(user.gid);
    sys::setresuid(user.uid);
    // The kernel forgets it with the change: the container would outlive a killed parent.
    if (death_signal != 0) sys::set_parent_death_signal(death_signal);
}

}  // namespace tenon
