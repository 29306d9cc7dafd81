#include "leaks.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
using Things = std::multiset<std::string>;

void add_mounts(Things& things) {
    for (const MountInfo& mount : mounts_of("self")) {
        things.insert("mount " + mount.mount_point + " (" + mount.fstype + ")");
    }
}

void add_names(Things& things, const std::string& what, const fs::path& directory) {
    std::error_code ignored;  // a kernel without networking has no such directory
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
        things.insert(what + " " + entry.path().filename().string());
    }
}

// Descriptors with what they are, so that a report names them; our own view of the directory is
// one of them and gone again.
void add_descriptors(Things& things) {
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const fs::path target = fs::read_symlink(entry.path(), gone);
        if (gone || target.string().find("/fd") != std::string::npos) continue;
        things.insert("descriptor " + entry.path().filename().string());
    }
}

// The parent is the fourth field of /proc/PID/stat, after a name that may hold anything. proc(5)
pid_t parent_of(const fs::path& process) {
    std::ifstream file{process / "stat"};
    // Not an istreambuf_iterator: that throws when the process ends between open and read (ESRCH).
    std::string text;
    std::getline(file, text, '\0');
    const auto end_of_name = text.rfind(')');
    if (end_of_name == std::string::npos) return 0;
    std::istringstream rest{text.substr(end_of_name + 1)};
    char state = '?';
    pid_t parent = 0;
    rest >> state >> parent;
    return parent;
}

void add_children(Things& things) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename().string();
        if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
            continue;
        }
        if (parent_of(entry.path()) == ::getpid()) things.insert("process " + name);
    }
}

// In the parent of our group, and in the root, others make groups too: there ours go by name.
void add_cgroups(Things& things) {
    const std::string own = cgroup_of("self");
    const auto add = [&things](const fs::path& group, bool ours_only) {
        std::error_code ignored;  // no cgroup2 here, or not for us to see
        for (const auto& entry : fs::directory_iterator(group, ignored)) {
            const std::string name = entry.path().filename().string();
            if (!entry.is_directory(ignored)) continue;
            if (!ours_only || is_own_cgroup_name(name)) things.insert("cgroup " + name);
        }
    };
    for (const MountInfo& mount : mounts_of("self")) {
        if (mount.fstype != "cgroup2") continue;
        if (own.size() > 1) add(mount.mount_point + own, false);
    }
    if (!test_cgroups().empty()) add(test_cgroups(), true);
}

}  // namespace

Surroundings Surroundings::now() {
    Surroundings here;
    add_mounts(here.things_);
    add_names(here.things_, "link", "/sys/class/net");
    add_names(here.things_, "file", temporary_root());
    add_cgroups(here.things_);
    add_children(here.things_);
    add_descriptors(here.things_);
    return here;
}

std::vector<std::string> Surroundings::added_since(const Surroundings& before) const {
    std::vector<std::string> added;
    std::set_difference(things_.begin(), things_.end(), before.things_.begin(),
                        before.things_.end(), std::back_inserter(added));
    return added;
}

}  // namespace tenon::test
