// Folders, links, device nodes: in a file system that nobody can reach yet, or in a folder of the
// container's image, where somebody may have put anything.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "mount_steps.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

mode_t format_of(TreeEntry::Kind kind) {
    switch (kind) {
        case TreeEntry::Kind::CharacterDevice: return S_IFCHR;
        case TreeEntry::Kind::BlockDevice: return S_IFBLK;
        case TreeEntry::Kind::Fifo: return S_IFIFO;
        case TreeEntry::Kind::Directory: return S_IFDIR;
        case TreeEntry::Kind::Symlink: break;
    }
    return S_IFLNK;
}

dev_t device_of(const TreeEntry& entry) {
    return makedev(entry.major, entry.minor);
}

void make_without_owner(FdRef folder, const std::string& name, const TreeEntry& entry) {
    if (entry.kind == TreeEntry::Kind::Directory) return sys::mkdirat(folder, name, entry.mode);
    sys::mknodat(folder, name, format_of(entry.kind) | entry.mode, device_of(entry));
}

// With the umask put aside, so that no chmod is needed: by then the name might be somebody else's.
void make_entry(FdRef folder, const std::string& name, const TreeEntry& entry) {
    if (entry.kind == TreeEntry::Kind::Symlink) {
        return sys::symlinkat(entry.link_target, folder, name);
    }
    make_without_owner(folder, name, entry);
    if (entry.uid != 0 || entry.gid != 0) sys::fchownat(folder, name, entry.uid, entry.gid);
}

struct Place {
    std::string folder;  // empty: the tree's own
    std::string name;
};

Place place_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return {{}, path};
    return {path.substr(0, slash), path.substr(slash + 1)};
}

// A link is never followed: one of the entries may be one.
void make_in_tree(FdRef tree, const TreeEntry& entry) {
    const auto [above, name] = place_of(entry.name);
    if (above.empty()) return make_entry(tree, name, entry);
    const UniqueFd folder =
        sys::openat2(tree, above, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    make_entry(folder, name, entry);
}

// runtime-spec config-linux.md, "Devices": a file that is there and is not the device is an error.
void require_same(const struct stat& there, const TreeEntry& entry, const std::string& path) {
    if (entry.kind == TreeEntry::Kind::Symlink || entry.kind == TreeEntry::Kind::Directory) return;
    const bool same = (there.st_mode & S_IFMT) == format_of(entry.kind) &&
                      (entry.kind == TreeEntry::Kind::Fifo || there.st_rdev == device_of(entry));
    if (!same) throw SysError(EEXIST, "mknodat", path + " (it is not the device asked for)");
}

void make_where_missing(FdRef folder, const TreeEntry& entry, const std::string& target) {
    const auto [above, name] = place_of(entry.name);
    const UniqueFd parent = make_target(folder, above.empty() ? "." : above, TargetKind::Directory);
    const std::optional<struct stat> there = sys::fstatat_if_present(parent, name);
    if (!there) return make_entry(parent, name, entry);
    require_same(*there, entry, target + "/" + entry.name);
}

}  // namespace

void fill_detached_mount(FdRef mount, const std::vector<TreeEntry>& contents) {
    if (contents.empty()) return;
    const sys::UmaskAside whole_mode;
    for (const TreeEntry& entry : contents) make_in_tree(mount, entry);
}

void make_nodes(FdRef root, const MountStep& step) {
    const trace::Step telling{2, "make device nodes", "in a folder that is there already"};
    const UniqueFd folder = open_target(root, step.target, TargetKind::Directory);
    if (!S_ISDIR(sys::fstat(folder).st_mode)) throw SysError(ENOTDIR, "mknodat", step.target);
    const sys::UmaskAside whole_mode;
    for (const TreeEntry& entry : step.contents) make_where_missing(folder, entry, step.target);
}

}  // namespace tenon
