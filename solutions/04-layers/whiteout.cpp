// "There is nothing here" in two languages: the archive's, which knows only files, and overlayfs',
// which knows devices and xattrs. Import translates one way, commit the other.
// image-spec layer.md, "Whiteouts"; Documentation/filesystems/overlayfs.rst, "whiteouts and opaque
// directories"
#include "tenon/whiteout.hpp"

#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

constexpr std::string_view prefix = ".wh.";
constexpr std::array opaque_marks{"user.overlay.opaque", "trusted.overlay.opaque"};

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
    throw std::invalid_argument("whiteout \"" + std::string{name} + "\": " + std::string{why});
}

}  // namespace

std::string whiteout_name(std::string_view name) {
    return std::string{prefix} + std::string{name};
}

std::optional<Whiteout> parse_whiteout(std::string_view name) {
    // BEGIN SOLUTION 04.2
    if (name == opaque_name) return Whiteout{Whiteout::Kind::Opaque, ""};
    if (!name.starts_with(prefix)) return std::nullopt;
    const std::string_view hidden = name.substr(prefix.size());
    if (hidden.empty()) refuse(name, "it names nothing");
    // To hide ".." would be to hide the folder it stands in, or one above it.
    if (hidden == "." || hidden == "..") refuse(name, "it names a folder by a dot");
    // Reserved: aufs kept its own files there, and a whiteout of a whiteout means nothing.
    if (hidden.starts_with(prefix)) refuse(name, "it names a whiteout");
    return Whiteout{Whiteout::Kind::Hide, std::string{hidden}};
    // END SOLUTION
}

void make_whiteout(FdRef directory, const std::string& name) {
    // BEGIN SOLUTION 04.2
    sys::mknodat(directory, name, S_IFCHR, makedev(0, 0));
    // END SOLUTION
}

void make_opaque(FdRef directory) {
    // BEGIN SOLUTION 04.2
    sys::set_xattr(directory, "user.overlay.opaque", "y");
    try {
        sys::set_xattr(directory, "trusted.overlay.opaque", "y");
    } catch (const SysError& error) {
        // Root of a user namespace has CAP_SYS_ADMIN, too, but not where trusted.* asks for it:
        // only the attempt tells. xattr(7), "Trusted extended attributes"
        if (error.error() != EPERM) throw;
    }
    // END SOLUTION
}

bool is_whiteout(const struct stat& status) {
    // BEGIN SOLUTION 04.2
    return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
    // END SOLUTION
}

bool is_opaque(FdRef directory) {
    for (const char* mark : opaque_marks) {
        if (sys::get_xattr(directory, mark) == "y") return true;
    }
    return false;
}

}  // namespace tenon
