// A tmpfs that begins with what the image holds in its place.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// What applying `step` to `root` comes to, and then what `look` says there.
std::string applied(const fs::path& root, const MountStep& step,
                    const std::function<std::string()>& look) {
    return run_inside(CLONE_NEWNS, [&]() -> std::string {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        try {
            apply_mounts(sys::openat(FdRef::working_directory(), root, O_PATH), {.steps = {step}});
        } catch (const SysError& error) {
            return errno_name(error.error()) + " " + error.subject();
        }
        return look();
    });
}

MountStep copied_up(const std::string& target, std::vector<std::string> data = {}) {
    MountStep step{.kind = MountKind::Filesystem, .target = target, .fstype = "tmpfs"};
    step.data = std::move(data);
    step.copy_up = true;
    return step;
}

std::string content_of(const fs::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

struct stat status_of(const fs::path& path) {
    struct stat status {};
    check(::lstat(path.c_str(), &status), "lstat", path.string());
    return status;
}

}  // namespace

TEST_CASE("files, folders and links are copied as they are, and the image stays",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const fs::path data = root.path() / "data";
    fs::create_directories(data / "deep/er");
    std::ofstream{data / "deep/er/file"} << std::string(100'000, 'x');
    fs::create_symlink("/etc/passwd", data / "link");
    check(::chmod((data / "deep/er/file").c_str(), 04751), "chmod", "file");
    check(::chmod(data.c_str(), 02770), "chmod", "data");
    const timespec then[2] = {{1234, 0}, {1234, 5678}};
    check(::utimensat(AT_FDCWD, (data / "deep/er/file").c_str(), then, 0), "utimensat", "file");
    const std::string said = applied(root.path(), copied_up("/data"), [&] {
        std::ofstream{data / "new"} << "inside";
        const struct stat file = status_of(data / "deep/er/file");
        return fmt::format("{} {:o} {:o} {}.{} {}", content_of(data / "deep/er/file").size(),
                           file.st_mode, status_of(data).st_mode & 07777U, file.st_mtim.tv_sec,
                           file.st_mtim.tv_nsec, fs::read_symlink(data / "link").string());
    });
    CHECK(said == "100000 104751 2770 1234.5678 /etc/passwd");
    CHECK(!fs::exists(data / "new"));
}

TEST_CASE("owners, capabilities of files and device nodes are copied, too",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(::geteuid() == 0, "only root can make such files");
    const TemporaryDirectory root;
    const fs::path data = root.path() / "data";
    fs::create_directory(data);
    std::ofstream{data / "file"} << "x";
    check(::lchown((data / "file").c_str(), 12, 34), "chown", "file");
    // VFS_CAP_REVISION_2, cap_net_raw permitted: capabilities(7)
    const std::string ping{"\0\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20};
    const bool has_xattr = ::setxattr((data / "file").c_str(), "security.capability", ping.data(),
                                      ping.size(), 0) == 0;
    check(::mknod((data / "null").c_str(), S_IFCHR | 0640, makedev(1, 3)), "mknod", "null");
    check(::mkfifo((data / "fifo").c_str(), 0600), "mkfifo", "fifo");
    const std::string said = applied(root.path(), copied_up("/data"), [&] {
        const struct stat file = status_of(data / "file");
        std::array<char, 64> value{};
        const ssize_t size =
            ::getxattr((data / "file").c_str(), "security.capability", value.data(), value.size());
        return fmt::format("{}:{} {} {:o} {} {:o}", file.st_uid, file.st_gid, size > 0,
                           status_of(data / "null").st_mode, status_of(data / "null").st_rdev,
                           status_of(data / "fifo").st_mode);
    });
    CHECK(said == fmt::format("12:34 {} 20640 {} 10600", has_xattr, makedev(1, 3)));
}

TEST_CASE("a copy is read-only only when it is complete, and options outrank the image",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const fs::path data = root.path() / "data";
    fs::create_directory(data);
    std::ofstream{data / "file"} << "x";
    MountStep step = copied_up("/data", {"mode=711"});
    step.attributes = parse_mount_options("ro").attributes;
    const std::string said = applied(root.path(), step, [&] {
        const bool writable = std::ofstream{data / "new"}.good();
        return fmt::format("{} {:o} {}", content_of(data / "file"), status_of(data).st_mode & 0777U,
                           writable);
    });
    CHECK(said == "x 711 false");
}

TEST_CASE("where the image has nothing the tmpfs is empty, and what does not fit is an error",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const fs::path data = root.path() / "data";
    CHECK(applied(root.path(), copied_up("/data"),
                  [&] { return fs::is_empty(data) ? "empty" : "not"; }) == "empty");
    std::ofstream{data / "large"} << std::string(100'000, 'x');
    CHECK(applied(root.path(), copied_up("/data", {"size=8k"}), [] { return "fits"; }) ==
          "ENOSPC large");
    std::ofstream{root.path() / "plain"} << "x";
    CHECK(applied(root.path(), copied_up("/plain"), [] { return "covered"; }) == "ENOTDIR /plain");
}

}  // namespace tenon::test
