// An ordinary user of the test's own: in a mount namespace where /etc/passwd, /etc/subuid and
// /etc/subgid are files of ours, so that the set-user-ID programs read those.
#pragma once

#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

struct OrdinaryUser {
    std::string name = "u" + random_name(7);
    uid_t id = static_cast<uid_t>(60000 + random_below(4000));  // uid and gid
    std::string subuid;                                         // lines of the two files
    std::string subgid;
};

inline void cover_file(const TemporaryDirectory& folder, const char* path,
                       const std::string& content) {
    const auto own = folder.path() / std::filesystem::path{path}.filename();
    write_file(own, content);
    check(::chmod(own.c_str(), 0644), "chmod", own.native());
    check(::mount(own.c_str(), path, nullptr, MS_BIND, nullptr), "mount", path);
}

inline void cover_account_files(const TemporaryDirectory& folder, const OrdinaryUser& user) {
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/ as private");
    cover_file(
        folder, "/etc/passwd",
        fmt::format("root:x:0:0::/:/bin/sh\n{0}:x:{1}:{1}::/:/bin/sh\n", user.name, user.id));
    cover_file(folder, "/etc/subuid", user.subuid);
    cover_file(folder, "/etc/subgid", user.subgid);
}

inline void become(const OrdinaryUser& user) {
    check(::setgroups(0, nullptr), "setgroups");
    check(::setresgid(user.id, user.id, user.id), "setresgid");
    check(::setresuid(user.id, user.id, user.id), "setresuid");
    check(::prctl(PR_SET_DUMPABLE, 1), "prctl");  // our files in /proc are ours again
}

// What `body` returns when it is run by `user`.
inline std::string as_user(const OrdinaryUser& user, const std::function<std::string()>& body) {
    const TemporaryDirectory folder;
    std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
    return run_inside(CLONE_NEWNS, [&] {
        cover_account_files(folder, user);
        become(user);
        return body();
    });
}

// Whether somebody but root may have its ids mapped here; else why not.
inline std::string missing_map_programs() {
    if (!is_real_root()) return "needs real root, to become an ordinary user";
    for (const char* program : {"/usr/bin/newuidmap", "/usr/bin/newgidmap"}) {
        struct stat status {};
        if (::stat(program, &status) != 0) return "needs newuidmap (package uidmap)";
    }
    return {};
}

}  // namespace tenon::test
