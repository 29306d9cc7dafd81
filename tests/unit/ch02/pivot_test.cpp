// 02.4: no way back.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// A folder that becomes a root, with a file beside it that must be out of reach afterwards.
struct Place {
    TemporaryDirectory outside;
    fs::path root = outside.path() / "root";
    std::string secret = random_name(16);
    Place() {
        fs::create_directory(root);
        write_file(outside.path() / secret, secret);
        write_file(root / "inside", "inside");
    }
};

void pivot_in_private_namespace(const fs::path& root) {
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
    const UniqueFd mount = bind_rootfs(open_rootfs(root), root);
    pivot_into(mount);
}

// chroot does not close the directories one stands in: climb from outside the new root, as the
// programs in attack/ do. Runs as the container; says what it could reach.
std::string try_to_climb(const std::string& secret) {
    ::mkdir("trap", 0700);
    if (::chroot("trap") != 0) return "chroot refused";
    for (int i = 0; i < 64; ++i) static_cast<void>(::chdir(".."));
    static_cast<void>(::chroot("."));
    for (const auto& entry :
         fs::recursive_directory_iterator("/", fs::directory_options::skip_permission_denied)) {
        if (entry.path().filename() == secret) return "escaped to " + entry.path().string();
        if (entry.path().string().starts_with("/proc")) break;
    }
    return fs::exists("/proc/self") ? "escaped: /proc is in sight" : "contained";
}

}  // namespace

TEST_CASE("bind_rootfs makes the folder a mount of its own", "[02.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const Inside container(CLONE_NEWNS, [&] {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        static_cast<void>(bind_rootfs(open_rootfs(place.root), place.root));
    });
    const bool mounted = has_mount_at(mounts_of(container.pid()), place.root);
    step("bind_rootfs on a plain folder");
    fact("rootfs_is_mount_point", mounted);
    TENON_EXPECT(mounted, "mountinfo has a mount at that folder", "it has none");
}

TEST_CASE("bind_rootfs takes the mounts below the folder along", "[02.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    fs::create_directory(place.root / "data");
    std::size_t mounts = 0;
    const std::string seen = run_inside(CLONE_NEWNS, [&] {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        check(::mount("tmpfs", (place.root / "data").c_str(), "tmpfs", 0, nullptr), "mount");
        static_cast<void>(bind_rootfs(open_rootfs(place.root), place.root));
        write_file(place.root / "data/mark", "x");
        for (const MountInfo& mount : mounts_of("self")) {
            mounts += mount.mount_point == (place.root / "data").string() ? 1U : 0U;
        }
        return std::to_string(mounts);
    });
    step("the folder has a tmpfs below it; then bind_rootfs");
    step(fmt::format("mountinfo has {} mount(s) there: the folder's and the clone's", seen));
    fact("submounts_missing", seen != "2");
    TENON_EXPECT(seen == "2", "2 mounts at data", seen);
}

TEST_CASE("pivot_into leaves nothing of the old root", "[02.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    try {
        const Inside container(CLONE_NEWNS, [&] { pivot_in_private_namespace(place.root); });
        const std::vector<MountInfo> mounts = mounts_of(container.pid());
        step("bind_rootfs, pivot_into; then /proc/PID/mountinfo");
        fact("old_root_mounted", mounts.size() > 1);
        const std::string second = mounts.size() > 1 ? mounts[1].mount_point : "";
        TENON_EXPECT(
            mounts.size() == 1, "one mount: the root",
            fmt::format("{} mounts, also {} of {}", mounts.size(), second, mounts.back().fstype));
    } catch (const SysError& error) {
        // EBUSY when "." lies on the host's root mount, EINVAL when on another: pivot_root(2).
        fact("pivot_refused", error.call() == "pivot_root");
        throw;
    }
}

TEST_CASE("pivot_into leaves root and working directory inside", "[02.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const Inside container(CLONE_NEWNS, [&] { pivot_in_private_namespace(place.root); });
    struct stat wanted {};
    struct stat root {};
    struct stat cwd {};
    check(::stat(place.root.c_str(), &wanted), "stat");
    check(::stat(fmt::format("/proc/{}/root", container.pid()).c_str(), &root), "stat");
    check(::stat(fmt::format("/proc/{}/cwd", container.pid()).c_str(), &cwd), "stat");
    step("/proc/PID/root and /proc/PID/cwd against the folder");
    fact("cwd_outside", cwd.st_ino != wanted.st_ino);
    TENON_EXPECT(root.st_ino == wanted.st_ino, "the root is the folder", "it is another");
    TENON_EXPECT(cwd.st_ino == wanted.st_ino, "the working directory is the folder",
                 "it still lies outside");
}

TEST_CASE("pivot_into cannot be climbed out of as chroot can", "[02.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const std::string result = run_inside(CLONE_NEWNS, [&] {
        pivot_in_private_namespace(place.root);
        return try_to_climb(place.secret);
    });
    step("inside: mkdir trap, chroot trap, 64 times chdir .., chroot .");
    fact("climbed_out", result.starts_with("escaped"));
    TENON_EXPECT(result == "contained", "contained", result);
}

TEST_CASE("pivot_into needs no folder for the old root", "[02.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    {
        const Inside container(CLONE_NEWNS, [&] { pivot_in_private_namespace(place.root); });
    }
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(place.root)) {
        names.push_back(entry.path().filename().string());
    }
    step("the root folder after a container ran in it");
    fact("folder_left_behind", names.size() != 1);
    TENON_EXPECT(names.size() == 1, "only what was there before",
                 fmt::format("{} entries", names.size()));
}

}  // namespace tenon::test
