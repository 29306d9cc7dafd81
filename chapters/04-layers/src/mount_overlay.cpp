// How an overlay gets mounted by the kernel that is here. The new mount API is used where it takes
// lower folders one by one: before Linux 6.7 overlayfs got its options as one text whichever way
// they came, and fsconfig(2) limits a string to 255 bytes.
#include <fcntl.h>
#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/overlay.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr const char* fstype = "overlay";

bool accepts(FdRef context, const char* key) {
    try {
        sys::fsconfig_string(context, key, "/");
        return true;
    } catch (const SysError&) {
        return false;
    }
}

void configure(FdRef context, const std::string& option) {
    const auto equals = option.find('=');
    if (equals == std::string::npos) return sys::fsconfig_flag(context, option);
    sys::fsconfig_string(context, option.substr(0, equals), option.substr(equals + 1));
}

UniqueFd create_overlay(const OverlayMount& overlay) {
    const UniqueFd context = sys::fsopen(fstype);
    sys::fsconfig_string(context, "source", fstype);
    for (const std::string& option : overlay_options(overlay)) configure(context, option);
    sys::fsconfig_create(context, "");
    return sys::fsmount(context, 0, fstype);
}

// A folder's name in the one above it. A mount is reached by a name alone: what `target` refers to
// stays below it.
std::string name_in(FdRef parent, FdRef folder) {
    const struct stat wanted = sys::fstat(folder);
    for (const std::string& name : sys::names_in(parent)) {
        const std::optional<struct stat> found = sys::fstatat_if_present(parent, name);
        if (found && found->st_dev == wanted.st_dev && found->st_ino == wanted.st_ino) return name;
    }
    throw SysError(ENOENT, "mount", "target");
}

UniqueFd mount_by_text(const OverlayMount& overlay, FdRef target) {
    const std::string data = overlay_data(overlay);
    const UniqueFd parent = sys::openat(target, "..", O_RDONLY | O_DIRECTORY);
    const std::string name = name_in(parent, target);
    sys::mount(fstype, fmt::format("/proc/self/fd/{}", target.number()), fstype, 0, data);
    return sys::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

UniqueFd mount_by_context(const OverlayMount& overlay, FdRef target) {
    UniqueFd mount = create_overlay(overlay);
    sys::move_mount(mount, target, "overlay's mount point");
    return mount;
}

}  // namespace

bool knows_single_lowers() {
    const trace::Step step{4, "ask for lowerdir+",
                           "a kernel is asked what it can, not how old it is"};
    // Before 6.7 a context of overlayfs takes any key, and looks at it only when it is created.
    return !accepts(sys::fsopen(fstype), "tenon-bogus") &&
           accepts(sys::fsopen(fstype), "lowerdir+");
}

UniqueFd mount_overlay(const OverlayMount& overlay, FdRef target) {
    const bool singly = knows_single_lowers();
    const trace::Step step{4, "stack the layers",
                           "read from the topmost that has it, written on top"};
    sys::fchdir(overlay.directory, "the layers' folder");  // what the paths are relative to
    try {
        return singly ? mount_by_context(overlay, target) : mount_by_text(overlay, target);
    } catch (const SysError& error) {
        throw SysError(error.error(), "mount overlay", error.subject());
    }
}

}  // namespace tenon
