// One table per kind of flag; unknown bits are shown in hexadecimal rather than dropped.
#include "flag_names.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/mount.h>

#include <array>
#include <span>
#include <string_view>

namespace tenon::sys {

namespace {

struct NamedBit {
    std::uint64_t bit;
    std::string_view name;
};

std::string join_names(std::uint64_t bits, std::span<const NamedBit> table) {
    std::string text;
    for (const auto& [bit, name] : table) {
        if ((bits & bit) != bit) continue;
        text += text.empty() ? "" : "|";
        text += name;
        bits &= ~bit;
    }
    if (bits != 0) text += fmt::format("{}{:#x}", text.empty() ? "" : "|", bits);
    return text.empty() ? "0" : text;
}

constexpr std::array clone_bits{
    NamedBit{CLONE_NEWNS, "CLONE_NEWNS"},
    NamedBit{CLONE_NEWUTS, "CLONE_NEWUTS"},
    NamedBit{CLONE_NEWIPC, "CLONE_NEWIPC"},
    NamedBit{CLONE_NEWNET, "CLONE_NEWNET"},
    NamedBit{CLONE_NEWPID, "CLONE_NEWPID"},
    NamedBit{CLONE_NEWUSER, "CLONE_NEWUSER"},
    NamedBit{CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
    NamedBit{CLONE_NEWTIME, "CLONE_NEWTIME"},
    NamedBit{CLONE_PIDFD, "CLONE_PIDFD"},
    NamedBit{CLONE_PARENT, "CLONE_PARENT"},
    NamedBit{CLONE_INTO_CGROUP, "CLONE_INTO_CGROUP"},
};

// NOATIME before its sibling STRICTATIME: both are values of one field, MOUNT_ATTR__ATIME.
constexpr std::array mount_bits{
    NamedBit{MOUNT_ATTR_RDONLY, "RDONLY"},
    NamedBit{MOUNT_ATTR_NOSUID, "NOSUID"},
    NamedBit{MOUNT_ATTR_NODEV, "NODEV"},
    NamedBit{MOUNT_ATTR_NOEXEC, "NOEXEC"},
    NamedBit{MOUNT_ATTR__ATIME, "_ATIME"},
    NamedBit{MOUNT_ATTR_NOATIME, "NOATIME"},
    NamedBit{MOUNT_ATTR_STRICTATIME, "STRICTATIME"},
    NamedBit{MOUNT_ATTR_NODIRATIME, "NODIRATIME"},
    NamedBit{MOUNT_ATTR_NOSYMFOLLOW, "NOSYMFOLLOW"},
    NamedBit{MOUNT_ATTR_IDMAP, "IDMAP"},
};

constexpr std::array propagation_bits{
    NamedBit{MS_PRIVATE, "MS_PRIVATE"},
    NamedBit{MS_SLAVE, "MS_SLAVE"},
    NamedBit{MS_SHARED, "MS_SHARED"},
    NamedBit{MS_UNBINDABLE, "MS_UNBINDABLE"},
};

// Access modes first; O_CLOEXEC is on every descriptor of ours and would only be noise.
constexpr std::array open_bits{
    NamedBit{O_WRONLY, "O_WRONLY"},     NamedBit{O_RDWR, "O_RDWR"},
    NamedBit{O_PATH, "O_PATH"},         NamedBit{O_DIRECTORY, "O_DIRECTORY"},
    NamedBit{O_NOFOLLOW, "O_NOFOLLOW"}, NamedBit{O_CREAT, "O_CREAT"},
    NamedBit{O_EXCL, "O_EXCL"},
};

constexpr std::array resolve_bits{
    NamedBit{RESOLVE_IN_ROOT, "IN_ROOT"},         NamedBit{RESOLVE_BENEATH, "BENEATH"},
    NamedBit{RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"}, NamedBit{RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"},
    NamedBit{RESOLVE_NO_XDEV, "NO_XDEV"},
};

}  // namespace

std::string clone_flag_names(std::uint64_t flags) {
    return join_names(flags, clone_bits);
}
std::string mount_attr_names(std::uint64_t attributes) {
    return join_names(attributes, mount_bits);
}
std::string propagation_name(std::uint64_t propagation) {
    return join_names(propagation, propagation_bits);
}
std::string open_flag_names(int flags) {
    const auto shown = static_cast<std::uint64_t>(flags & ~O_CLOEXEC);
    return shown == 0 ? "O_RDONLY" : join_names(shown, open_bits);
}
std::string resolve_names(std::uint64_t resolve) {
    return join_names(resolve, resolve_bits);
}

}  // namespace tenon::sys
