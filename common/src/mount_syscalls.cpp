// The descriptor-based mount API, call by call.
#include "tenon/mount_syscalls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "flag_names.hpp"
#include "traced_call.hpp"

namespace tenon::sys {

namespace {

// A file system that refuses an option may say why in words: they wait in the context's own
// message queue ("e overlay: ..."), one per read(2), and are lost with the descriptor.
std::string kernel_message(FdRef context) {
    std::array<char, 512> text{};
    const long length = ::read(context.number(), text.data(), text.size());
    if (length <= 2) return {};
    std::string message{text.data() + 2, static_cast<std::size_t>(length - 2)};
    while (!message.empty() && message.back() == '\n') message.pop_back();
    return fmt::format("[kernel: {}]", message);
}

// "key=value", "key", or the file system's type where the command has no key.
std::string setting(const char* key, const char* value, CString fstype) {
    if (key == nullptr) return fstype.c_str();
    return value == nullptr ? key : fmt::format("{}={}", key, value);
}

void configure(FdRef context, unsigned command, const char* key, const char* value,
               CString fstype = "") {
    try {
        traced_call(
            "fsconfig", {}, [&] { return ::fsconfig(context.number(), command, key, value, 0); },
            [&] { return fmt::format("{}, {}", context.number(), setting(key, value, fstype)); });
    } catch (const SysError& e) {
        const std::string what = setting(key, value, fstype);
        const std::string why = kernel_message(context);
        const char* const between = what.empty() || why.empty() ? "" : " ";
        throw SysError(e.error(), "fsconfig", what + between + why);
    }
}

}  // namespace

UniqueFd fsopen(CString fstype) {
    return traced_open(
        "fsopen", fstype.view(), [&] { return ::fsopen(fstype.c_str(), FSOPEN_CLOEXEC); },
        [&] { return fmt::format("\"{}\"", fstype.view()); });
}

void fsconfig_string(FdRef context, CString key, CString value) {
    configure(context, FSCONFIG_SET_STRING, key.c_str(), value.c_str());
}

void fsconfig_flag(FdRef context, CString key) {
    configure(context, FSCONFIG_SET_FLAG, key.c_str(), nullptr);
}

void fsconfig_create(FdRef context, CString fstype) {
    configure(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, fstype);
}

UniqueFd fspick(FdRef target, CString subject) {
    return traced_open(
        "fspick", subject.view(),
        [&] { return ::fspick(target.number(), "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH); },
        [&] { return describe(target); });
}

void fsconfig_reconfigure(FdRef context, CString subject) {
    configure(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, subject);
}

UniqueFd fsmount(FdRef context, std::uint64_t attributes, CString fstype) {
    return traced_open(
        "fsmount", fstype.view(),
        [&] {
            return ::fsmount(context.number(), 1U /* FSMOUNT_CLOEXEC, not in glibc 2.36 */,
                             static_cast<unsigned>(attributes));
        },
        [&] { return fmt::format("{}, {}", context.number(), mount_attr_names(attributes)); });
}

UniqueFd open_tree_clone(FdRef directory, CString path, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
                           (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    return traced_open(
        "open_tree", path.view(),
        [&] { return ::open_tree(directory.number(), path.c_str(), flags); },
        [&] {
            return fmt::format("{}, \"{}\", CLONE{}", describe(directory), path.view(),
                               recursive ? "|RECURSIVE" : "");
        });
}

void move_mount(FdRef tree, FdRef target, CString subject) {
    traced_call(
        "move_mount", subject.view(),
        [&] {
            return ::move_mount(tree.number(), "", target.number(), "",
                                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
        },
        [&] { return fmt::format("{}, {}", describe(tree), describe(target)); });
}

void mount_setattr(FdRef tree, const MountAttr& attributes, bool recursive, CString subject) {
    ::mount_attr wanted{};
    wanted.attr_set = attributes.set;
    wanted.attr_clr = attributes.clear;
    wanted.propagation = attributes.propagation;
    if (attributes.user_namespace.valid()) {
        wanted.userns_fd = static_cast<std::uint64_t>(attributes.user_namespace.number());
    }
    const unsigned flags = AT_EMPTY_PATH | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    traced_call(
        "mount_setattr", subject.view(),
        [&] { return ::mount_setattr(tree.number(), "", flags, &wanted, sizeof wanted); },
        [&] {
            return fmt::format("{}, set {}, clear {}, propagation {}{}", describe(tree),
                               mount_attr_names(attributes.set), mount_attr_names(attributes.clear),
                               propagation_name(attributes.propagation),
                               recursive ? ", RECURSIVE" : "");
        });
}

void pivot_root(CString new_root, CString put_old) {
    traced_call(
        "pivot_root", new_root.view(),
        [&] { return ::syscall(SYS_pivot_root, new_root.c_str(), put_old.c_str()); },
        [&] { return fmt::format("\"{}\", \"{}\"", new_root.view(), put_old.view()); });
}

void mount(CString source, CString target, CString fstype, unsigned long flags, CString data) {
    traced_call(
        "mount", target.view(),
        [&] {
            return ::mount(source.c_str(), target.c_str(), fstype.c_str(), flags, data.c_str());
        },
        [&] {
            return fmt::format("\"{}\", \"{}\", \"{}\", {}, \"{}\"", source.view(), target.view(),
                               fstype.view(), flags, data.view());
        });
}

void umount2(CString target, int flags) {
    traced_call(
        "umount2", target.view(), [&] { return ::umount2(target.c_str(), flags); },
        [&] {
            return fmt::format("\"{}\", {}", target.view(),
                               (flags & MNT_DETACH) != 0 ? "MNT_DETACH" : std::to_string(flags));
        });
}

}  // namespace tenon::sys
