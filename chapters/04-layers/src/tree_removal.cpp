// Whoever wrote the tree decided how deep it is and what its modes are: no recursion, no paths, and
// one folder open at a time. The way up is `..`, and a folder that was moved meanwhile leads
// somewhere else by it: so each step up is compared with where we came from.
#include "tree_removal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon {

namespace {

struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
};

// A folder on the way down: what it is, and which folders in it are still to be removed.
struct Level {
    Identity identity;
    std::vector<std::string> folders;
};

Identity identity_of(FdRef folder) {
    const struct stat status = sys::fstat(folder);
    return {status.st_dev, status.st_ino};
}

// Runs `call`; false when what it speaks of is gone.
template <typename Call>
bool unless_gone(const Call& call) {
    try {
        call();
        return true;
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return false;
    }
}

// False for a folder. Asked for, and not left to unlink(2), whose EISDIR would be an exception for
// each folder of a tree.
bool unlinked(FdRef here, const std::string& name) {
    const std::optional<struct stat> status = sys::fstatat_if_present(here, name);
    if (status && S_ISDIR(status->st_mode)) return false;
    if (status) unless_gone([&] { sys::unlinkat(here, name, 0); });
    return true;
}

std::vector<std::string> unlink_files(FdRef here) {
    std::vector<std::string> folders;
    for (std::string& name : sys::names_in(here)) {
        if (!unlinked(here, name)) folders.push_back(std::move(name));
    }
    return folders;
}

// overlayfs' own `work/work` has mode 000, and a container may take its own rights away: nothing
// that stops root, but an ordinary user. The mode is changed through the descriptor, or a link that
// takes the folder's place would be followed.
UniqueFd open_to_empty(FdRef here, const std::string& name) {
    const UniqueFd found = sys::openat(here, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if ((sys::fstat(found).st_mode & S_IRWXU) != S_IRWXU) {
        const std::string itself = fmt::format("/proc/self/fd/{}", found.ref().number());
        sys::fchmodat(FdRef::working_directory(), itself, S_IRWXU);
    }
    return sys::openat(found, ".", O_RDONLY | O_DIRECTORY);
}

// Down into the next folder, or up when there is none. False when the whole is empty, or when
// somebody moved us: the caller begins again.
bool take_a_step(UniqueFd& here, std::vector<Level>& way) {
    std::vector<std::string>& folders = way.back().folders;
    if (!folders.empty()) {
        UniqueFd next;
        if (!unless_gone([&] { next = open_to_empty(here, folders.back()); })) {
            folders.pop_back();
            return true;
        }
        here = std::move(next);
        way.push_back({identity_of(here), unlink_files(here)});
        return true;
    }
    way.pop_back();
    if (way.empty()) return false;
    here = sys::openat(here, "..", O_RDONLY | O_DIRECTORY);
    if (identity_of(here) != way.back().identity) return false;
    std::vector<std::string>& above = way.back().folders;
    unless_gone([&] { sys::unlinkat(here, above.back(), AT_REMOVEDIR); });
    above.pop_back();
    return true;
}

void empty_folder(FdRef parent, const std::string& name) {
    UniqueFd here = open_to_empty(parent, name);
    std::vector<Level> way;
    way.push_back({identity_of(here), unlink_files(here)});
    while (take_a_step(here, way)) {
    }
}

// False when somebody put something in, took something out, or replaced one kind by another.
template <typename Call>
bool unless_changed(const Call& call) {
    try {
        call();
        return true;
    } catch (const SysError& error) {
        for (const int changed : {ENOTEMPTY, ENOENT, EISDIR, ENOTDIR}) {
            if (error.error() == changed) return false;
        }
        throw;
    }
}

void remove_once(FdRef parent, const std::string& name) {
    if (unlinked(parent, name)) return;
    empty_folder(parent, name);
    sys::unlinkat(parent, name, AT_REMOVEDIR);
}

}  // namespace

void remove_tree(FdRef parent, const std::string& name) {
    constexpr int attempts = 20;  // somebody in there may still be writing
    for (int attempt = 1; attempt < attempts; ++attempt) {
        if (unless_changed([&] { remove_once(parent, name); })) return;
    }
    remove_once(parent, name);
}

}  // namespace tenon
