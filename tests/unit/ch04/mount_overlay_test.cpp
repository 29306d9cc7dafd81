// The overlay as the kernel shows it: judged from outside, through /proc/PID.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <fstream>

#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/overlay.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

bool contains(std::string_view text, std::string_view word) {
    return text.find(word) != std::string_view::npos;
}

namespace fs = std::filesystem;

// Folders on a tmpfs that only this process has: a test machine's own may be an overlay itself,
// and then takes no upper folder.
class Stack {
  public:
    explicit Stack(std::function<void(const fs::path&)> fill, OverlayMount overlay)
        : process_(CLONE_NEWNS, [&] {
              check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
              check(::mount("test", base().c_str(), "tmpfs", 0, nullptr), "mount", "tmpfs");
              for (const char* name : {"upper", "work", "target"})
                  fs::create_directory(base() / name);
              for (const std::string& lower : overlay.lower) {
                  fs::create_directories(base() / lower);
              }
              fill(base());
              const UniqueFd directory = open(base());
              overlay.directory = directory;
              const UniqueFd mount = mount_overlay(overlay, open(base() / "target"));
              is_the_mount(mount);
          }) {}

    [[nodiscard]] fs::path seen(const fs::path& path) const {
        return fmt::format("/proc/{}/root{}/target/{}", process_.pid(), base().string(),
                           path.string());
    }
    [[nodiscard]] fs::path behind(const fs::path& path) const {
        return fmt::format("/proc/{}/root{}/{}", process_.pid(), base().string(), path.string());
    }
    [[nodiscard]] MountInfo mount() const {
        for (const MountInfo& mount : mounts_of(process_.pid())) {
            if (mount.mount_point == (base() / "target").string()) return mount;
        }
        return {};
    }

  private:
    static UniqueFd open(const fs::path& path) {
        return sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
    }
    [[nodiscard]] const fs::path& base() const { return directory_.path(); }
    // What is returned must be what lies on the target, not what lies below.
    void is_the_mount(FdRef mount) const {
        const struct stat there = sys::stat(base() / "target");
        const struct stat returned = sys::fstat(mount);
        if (there.st_dev != returned.st_dev) throw std::runtime_error("another mount is returned");
    }

    TemporaryDirectory directory_;
    Inside process_;
};

OverlayMount writable(std::vector<std::string> lower) {
    OverlayMount overlay;
    overlay.lower = std::move(lower);
    overlay.upper = "upper";
    overlay.work = "work";
    overlay.userxattr = !is_real_root();
    return overlay;
}

void no_files(const fs::path&) {}

}  // namespace

TEST_CASE("an overlay shows the topmost layer's file", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Stack stack(
        [](const fs::path& base) {
            write_file(base / "top/both", "top");
            write_file(base / "bottom/both", "bottom");
            write_file(base / "bottom/only", "bottom");
        },
        writable({"top", "bottom"}));
    CHECK(stack.mount().fstype == "overlay");
    CHECK(read_file(stack.seen("both")) == "top");
    CHECK(read_file(stack.seen("only")) == "bottom");
}

TEST_CASE("what is written to an overlay goes to its upper folder alone", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Stack stack([](const fs::path& base) { write_file(base / "a/file", "before"); },
                      writable({"a"}));
    write_file(stack.seen("file"), "after");
    CHECK(read_file(stack.behind("a/file")) == "before");
    CHECK(read_file(stack.behind("upper/file")) == "after");
}

TEST_CASE("a file that is deleted becomes a device 0:0 in the upper folder", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Stack stack([](const fs::path& base) { write_file(base / "a/file", "before"); },
                      writable({"a"}));
    fs::remove(stack.seen("file"));
    const struct stat status = sys::stat(stack.behind("upper/file"));
    CHECK(S_ISCHR(status.st_mode));
    CHECK(status.st_rdev == ::makedev(0, 0));
    CHECK(read_file(stack.behind("a/file")) == "before");
}

TEST_CASE("an overlay without an upper folder is read-only", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    OverlayMount overlay = writable({"a", "b"});
    overlay.upper.clear();
    overlay.work.clear();
    const Stack stack(no_files, overlay);
    CHECK(stack.mount().has_option("rw"));  // the mount is; the file system is not
    CHECK(refusal([&] {
              sys::mkdirat(FdRef::working_directory(), stack.seen("new"), 0755);
          }).ends_with("EROFS"));
}

TEST_CASE("an overlay may have hundreds of layers", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    constexpr int layers = 200;
    std::vector<std::string> lower;
    for (int i = layers; i > 0; --i) lower.push_back(fmt::format("layers/{}/fs", i));
    const Stack stack(
        [&](const fs::path& base) {
            for (int i = 1; i <= layers; ++i) {
                write_file(base / fmt::format("layers/{}/fs/{}", i, i), "");
                write_file(base / fmt::format("layers/{}/fs/top", i), std::to_string(i));
            }
        },
        writable(lower));
    CHECK(read_file(stack.seen("top")) == "200");
    CHECK(fs::exists(stack.seen("1")));
}

TEST_CASE("folders of an overlay may have odd names", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    OverlayMount overlay = writable({"a:b", "c,d", "e\\f", " g"});
    overlay.upper = "u:p,p\\er";
    const Stack stack(
        [](const fs::path& base) {
            write_file(base / "a:b/1", "");
            write_file(base / "c,d/2", "");
            write_file(base / "e\\f/3", "");
            write_file(base / " g/4", "");
            fs::create_directory(base / "u:p,p\\er");
        },
        overlay);
    for (const char* name : {"1", "2", "3", "4"}) CHECK(fs::exists(stack.seen(name)));
}

TEST_CASE("the switches of an overlay reach the kernel", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    OverlayMount overlay = writable({"a"});
    overlay.volatile_upper = true;
    const bool has_trusted = is_real_root();
    overlay.metacopy = overlay.redirect_dir = has_trusted;
    const std::string options = Stack(no_files, overlay).mount().super_options;
    CHECK(contains(options, "volatile"));
    if (has_trusted) CHECK(contains(options, "metacopy=on"));
    if (!has_trusted) CHECK(contains(options, "userxattr"));
}

TEST_CASE("the kernel's refusal is told as that of the overlay", "[uses-04.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    OverlayMount overlay = writable({"a"});
    overlay.work = "nowhere";
    const std::string refused = refusal([&] { const Stack stack(no_files, overlay); });
    CHECK(std::string{refused}.starts_with("mount overlay"));
    CHECK(std::string{refused}.ends_with("ENOENT"));
}

}  // namespace tenon::test
