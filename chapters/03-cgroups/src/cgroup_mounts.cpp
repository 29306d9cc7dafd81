// Where cgroup v2 is: mountinfo says what is mounted, /proc/self/cgroup where we are in it. Both
// speak from the point of view of our cgroup namespace, so a mount may show less than the whole.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/magic.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// The fields of a mountinfo line that matter here. proc_pid_mountinfo(5)
struct MountLine {
    std::string root;
    std::string mount_point;
    std::string_view options;
    std::string_view fstype;
    std::string_view super_options;
};

// mountinfo writes blanks and backslashes as \040 and \134.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        const char* const digits = text.data() + i + 1;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

std::vector<std::string_view> split(std::string_view list, char separator) {
    std::vector<std::string_view> parts;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(separator), list.size());
        parts.push_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return parts;
}

// Nothing for a line of another file system: there may be thousands.
std::optional<MountLine> parse_cgroup_mount(std::string_view line) {
    constexpr std::string_view middle = " - ";
    const std::size_t dash = line.find(" - cgroup");
    if (dash == std::string_view::npos) return std::nullopt;
    const std::vector<std::string_view> before = split(line.substr(0, dash), ' ');
    const std::vector<std::string_view> after = split(line.substr(dash + middle.size()), ' ');
    if (before.size() < 6 || after.size() < 3) return std::nullopt;
    return MountLine{.root = unescaped(before[3]),
                     .mount_point = unescaped(before[4]),
                     .options = before[5],
                     .fstype = after[0],
                     .super_options = after[2]};
}

// v1 names its controllers in the mount's options; blkio is v2's io.
void add_v1_controllers(std::string_view names, ControllerSet& found) {
    constexpr std::array known{"cpu",  "cpuset", "memory",  "blkio",
                               "pids", "rdma",   "hugetlb", "misc"};
    for (const std::string_view option : split(names, ',')) {
        if (std::find(known.begin(), known.end(), option) == known.end()) continue;
        found.insert(std::string{option == "blkio" ? "io" : option});
    }
}

// The v2 line of /proc/self/cgroup has hierarchy number 0 and no controllers: `0::/path`.
std::string own_group_path(std::string_view text) {
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with("0::")) return std::string{line.substr(3)};
    }
    return "/";
}

// The other lines: `4:cpu,cpuacct:/path`.
ControllerSet v1_controllers(std::string_view text) {
    ControllerSet found;
    for (const std::string_view line : split(text, '\n')) {
        const std::vector<std::string_view> fields = split(line, ':');
        if (fields.size() > 1) add_v1_controllers(fields[1], found);
    }
    return found;
}

std::string without_slash(std::string_view path) {
    return std::string{path.starts_with('/') ? path.substr(1) : path};
}

// `own` as seen from a mount whose root is the group `root`. Nothing when it is not below it;
// "/.." is how the kernel writes a path that leads out of our cgroup namespace.
std::optional<std::string> seen_from(std::string_view root, std::string_view own) {
    if (own == "/.." || own.starts_with("/../")) return std::nullopt;
    if (root == "/") return without_slash(own);
    if (own == root) return "";
    if (!own.starts_with(root) || own[root.size()] != '/') return std::nullopt;
    return without_slash(own.substr(root.size()));
}

CgroupMount placed(const MountLine& mount, std::string_view own) {
    const std::optional<std::string> seen = seen_from(mount.root, own);
    const std::vector<std::string_view> options = split(mount.options, ',');
    return {.mount_point = mount.mount_point,
            .own_group = seen.value_or(""),
            .shows_own_group = seen.has_value(),
            .read_only = std::find(options.begin(), options.end(), "ro") != options.end()};
}

// A mount may be hidden under a later one: what its path leads to decides.
UniqueFd open_if_cgroup2(const CgroupMount& mount) {
    try {
        UniqueFd root =
            sys::openat(FdRef::working_directory(), mount.mount_point, O_RDONLY | O_DIRECTORY);
        if (sys::file_system_type(root) == CGROUP2_SUPER_MAGIC) return root;
    } catch (const SysError&) {
        return {};  // hidden, or behind a folder that we may not enter: the next one
    }
    return {};
}

// Where everybody expects it, and whole: then nobody has to read the list of all mounts. Nothing
// when that is not sure.
std::optional<CgroupHierarchy> usual_hierarchy() {
    constexpr ino_t whole = 1;                      // the root of all groups, and of no part
    constexpr ino_t first_namespace = 0xEFFFFFFBU;  // PROC_CGROUP_INIT_INO of linux/proc_ns.h
    constexpr const char* usual_place = "/sys/fs/cgroup";
    const FdRef here = FdRef::working_directory();
    if (!sys::fstatat_if_present(here, usual_place)) return std::nullopt;
    UniqueFd root = open_if_cgroup2({.mount_point = usual_place});
    if (!root.valid() || sys::fstat(root).st_ino != whole || sys::on_read_only_mount(root)) {
        return std::nullopt;
    }
    if (sys::stat("/proc/self/ns/cgroup").st_ino != first_namespace) return std::nullopt;
    const std::string own = read_kernel_file(here, "/proc/self/cgroup");
    return CgroupHierarchy{std::move(root), usual_place, without_slash(own_group_path(own)),
                           v1_controllers(own)};
}

[[noreturn]] void refuse(const CgroupMounts& mounts) {
    if (mounts.in_v1.empty()) {
        throw std::runtime_error(
            "no cgroup2 file system is mounted here: as root, mount -t cgroup2 none "
            "/sys/fs/cgroup; or use the lab VM: ./course vm shell");
    }
    throw std::runtime_error(
        fmt::format("only cgroup v1 is mounted here ({}), and Tenon speaks v2: boot with "
                    "systemd.unified_cgroup_hierarchy=1, or use the lab VM: ./course vm shell",
                    fmt::join(mounts.in_v1, ",")));
}

}  // namespace

CgroupMounts find_cgroup_mounts(std::string_view mountinfo, std::string_view own) {
    CgroupMounts found;
    const std::string own_path = own_group_path(own);
    for (const std::string_view line : split(mountinfo, '\n')) {
        const std::optional<MountLine> mount = parse_cgroup_mount(line);
        if (!mount) continue;
        if (mount->fstype == "cgroup") add_v1_controllers(mount->super_options, found.in_v1);
        if (mount->fstype == "cgroup2") found.unified.push_back(placed(*mount, own_path));
    }
    // The best first: ours in sight, and writable.
    std::stable_sort(found.unified.begin(), found.unified.end(),
                     [](const CgroupMount& a, const CgroupMount& b) {
                         return std::pair{!a.shows_own_group, a.read_only} <
                                std::pair{!b.shows_own_group, b.read_only};
                     });
    return found;
}

CgroupHierarchy open_cgroup_hierarchy() {
    const trace::Step step{3, "find the hierarchy", "it may be mounted anywhere, or not at all"};
    if (std::optional<CgroupHierarchy> usual = usual_hierarchy()) return std::move(*usual);
    const FdRef here = FdRef::working_directory();
    const CgroupMounts mounts = find_cgroup_mounts(read_kernel_file(here, "/proc/self/mountinfo"),
                                                   read_kernel_file(here, "/proc/self/cgroup"));
    for (const CgroupMount& mount : mounts.unified) {
        UniqueFd root = open_if_cgroup2(mount);
        if (!root.valid()) continue;
        std::optional<std::string> own_group;
        if (mount.shows_own_group) own_group = mount.own_group;
        return {std::move(root), mount.mount_point, std::move(own_group), mounts.in_v1};
    }
    refuse(mounts);
}

}  // namespace tenon
