// A tmpfs that begins with what the image has in its place: `tmpcopyup`. The copy goes into a file
// system that nobody can reach yet. Whatever the image holds, a link is copied as a link and a
// device as a node: nothing is followed, and only regular files are ever read.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "mount_steps.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// One name, here and there.
struct Twin {
    FdRef from;  // the folders
    FdRef to;
    const std::string& name;
};

void copy_content(FdRef from, FdRef to, const std::string& name) {
    std::array<std::byte, std::size_t{1} << 16> buffer{};
    while (const std::size_t size = sys::read(from, buffer, name)) {
        sys::write_all(to, std::span{buffer}.first(size), name);
    }
}

// Those that a tmpfs can hold: user.* came to it in Linux 6.6, and no data depend on it.
void copy_xattrs(FdRef from, FdRef to) {
    for (const std::string& xattr : sys::list_xattrs(from)) {
        const std::optional<std::string> value = sys::get_xattr(from, xattr);
        if (!value) continue;
        try {
            sys::set_xattr(to, xattr, *value);
        } catch (const SysError& error) {
            if (error.error() != EOPNOTSUPP && error.error() != EPERM) throw;
        }
    }
}

// The owner first: a change of it takes set-user-id bits and file capabilities away. chown(2)
void dress(const Twin& twin, FdRef source, const struct stat& status) {
    sys::fchownat(twin.to, twin.name, status.st_uid, status.st_gid);
    if (!S_ISLNK(status.st_mode)) {
        copy_xattrs(source, sys::openat(twin.to, twin.name, O_PATH | O_NOFOLLOW));
        sys::fchmodat(twin.to, twin.name, status.st_mode & 07777);
    }
    sys::utimensat(twin.to, twin.name, status.st_mtim);
}

void copy_folder(FdRef from, FdRef to, dev_t device);

// What is mounted there is no part of the image: the folder alone is copied.
void copy_subfolder(const Twin& twin, FdRef source, const struct stat& status, dev_t device) {
    sys::mkdirat(twin.to, twin.name, 0700);
    if (status.st_dev != device) return;
    copy_folder(sys::openat(source, ".", O_RDONLY | O_DIRECTORY),
                sys::openat(twin.to, twin.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), device);
}

void copy_file(const Twin& twin, FdRef source) {
    const UniqueFd made =
        sys::openat(twin.to, twin.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    copy_content(sys::reopen(source, O_RDONLY), made, twin.name);
}

void copy_entry(const Twin& twin, dev_t device) {
    const UniqueFd source = sys::openat(twin.from, twin.name, O_PATH | O_NOFOLLOW);
    const struct stat status = sys::fstat(source);
    switch (status.st_mode & S_IFMT) {
        case S_IFDIR: copy_subfolder(twin, source, status, device); break;
        case S_IFREG: copy_file(twin, source); break;
        case S_IFLNK:
            sys::symlinkat(sys::readlinkat(twin.from, twin.name), twin.to, twin.name);
            break;
        case S_IFSOCK: return;  // nobody listens at a copy
        default: sys::mknodat(twin.to, twin.name, status.st_mode, status.st_rdev);
    }
    dress(twin, source, status);
}

void copy_folder(FdRef from, FdRef to, dev_t device) {
    for (const std::string& name : sys::names_in(from)) copy_entry({from, to, name}, device);
}

bool says(const MountStep& step, std::string_view key) {
    return std::any_of(step.data.begin(), step.data.end(),
                       [&](const std::string& option) { return option.starts_with(key); });
}

// Its root has the mode and the owner of the folder that it covers, where no option says others.
void dress_root(const MountStep& step, FdRef mount, const struct stat& covered) {
    if (!says(step, "uid=") && !says(step, "gid=")) {
        sys::fchownat(mount, ".", covered.st_uid, covered.st_gid);
    }
    if (!says(step, "mode=")) sys::fchmodat(mount, ".", covered.st_mode & 07777);
}

}  // namespace

UniqueFd create_copied_up(FdRef root, const MountStep& step) {
    const trace::Step telling{2, "copy up", "the new file system begins with the image's files"};
    MountStep writable = step;
    writable.attributes = {};
    UniqueFd mount = create_detached_mount(writable);
    if (const std::optional<UniqueFd> covered = open_if_present(root, step.target)) {
        const struct stat status = sys::fstat(*covered);
        if (!S_ISDIR(status.st_mode)) throw SysError(ENOTDIR, "copy up", step.target);
        copy_folder(sys::openat(*covered, ".", O_RDONLY | O_DIRECTORY),
                    sys::openat(mount, ".", O_RDONLY | O_DIRECTORY), status.st_dev);
        dress_root(step, mount, status);
    }
    set_attributes(mount, step.attributes, step.target);
    return mount;
}

}  // namespace tenon
