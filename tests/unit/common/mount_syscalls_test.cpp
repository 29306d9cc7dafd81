#include "tenon/mount_syscalls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "descriptors.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
constexpr FdRef here = FdRef::working_directory();

// A mount namespace of the test's own with nothing shared; `body` says in words what it saw there.
std::string in_private_mounts(const std::function<std::string()>& body) {
    return run_inside(CLONE_NEWNS, [&] {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        return body();
    });
}

std::optional<MountInfo> mount_at(const fs::path& path) {
    std::optional<MountInfo> last;
    for (const MountInfo& mount : mounts_of("self")) {
        if (mount.mount_point == path) last = mount;
    }
    return last;
}

std::string options_at(const fs::path& path) {
    const auto mount = mount_at(path);
    return mount ? mount->options : "no mount";
}

UniqueFd new_tmpfs(std::uint64_t attributes = 0) {
    const UniqueFd context = sys::fsopen("tmpfs");
    sys::fsconfig_string(context, "size", "64k");
    sys::fsconfig_create(context, "tmpfs");
    return sys::fsmount(context, attributes, "tmpfs");
}

UniqueFd open_path(const fs::path& path) {
    return sys::openat(here, path, O_PATH | O_DIRECTORY);
}

// outer/inner, both of them mounts; returns outer.
fs::path mount_two(const fs::path& below) {
    const fs::path outer = below / "outer";
    for (const fs::path& place : {outer, outer / "inner"}) {
        fs::create_directory(place);
        check(::mount("tmpfs", place.c_str(), "tmpfs", 0, nullptr), "mount", place.native());
    }
    return outer;
}

// What the kernel itself has to say about a bad size, read without the code under test.
std::string own_words_of_kernel() {
    const UniqueFd context{::fsopen("tmpfs", FSOPEN_CLOEXEC)};
    ::fsconfig(context.ref().number(), FSCONFIG_SET_STRING, "size", "banana", 0);
    std::string text(500, '\0');
    const long length = ::read(context.ref().number(), text.data(), text.size());
    if (length <= 2) return {};
    text = text.substr(2, static_cast<std::size_t>(length) - 2);
    return text.substr(0, text.find('\n'));
}

}  // namespace

TEST_CASE("fsopen is close-on-exec and refuses a file system nobody knows") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    CHECK(is_cloexec(sys::fsopen("tmpfs")));
    CHECK(refusal([] { sys::fsopen("tenonfs"); }) == "fsopen tenonfs: ENODEV");
}

TEST_CASE("fsconfig refused says key=value and what the kernel said in words") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string words = own_words_of_kernel();
    const UniqueFd context = sys::fsopen("tmpfs");
    CHECK(refusal([&] { sys::fsconfig_string(context, "size", "banana"); }) ==
          fmt::format("fsconfig size=banana{}: EINVAL",
                      words.empty() ? "" : " [kernel: " + words + "]"));
}

TEST_CASE("fsconfig refused names a flag by its key alone") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const UniqueFd context = sys::fsopen("tmpfs");
    const std::string text = refusal([&] { sys::fsconfig_flag(context, "banana"); });
    CHECK(text.starts_with("fsconfig banana"));
    CHECK(text.find('=') == std::string::npos);
    CHECK(text.ends_with(": EINVAL"));
}

TEST_CASE("fsconfig_create and fsmount out of turn name the file system") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const UniqueFd context = sys::fsopen("tmpfs");
    CHECK(
        refusal([&] { sys::fsmount(context, 0, "my tmpfs"); }).starts_with("fsmount my tmpfs: E"));
    sys::fsconfig_create(context, "tmpfs");
    CHECK(refusal([&] { sys::fsconfig_create(context, "tmpfs"); }) == "fsconfig tmpfs: EBUSY");
    CHECK(refusal([] { sys::fsmount(FdRef{}, 0, "it"); }) == "fsmount it: EBADF");
}

TEST_CASE("a new file system can be filled before anybody sees it, then appears at once") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory target;
    const std::string seen = in_private_mounts([&] {
        const UniqueFd tree = new_tmpfs(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        sys::mkdirat(tree, "filled", 0755);
        const bool early = mount_at(target.path()).has_value();
        sys::move_mount(tree, open_path(target.path()), target.path());
        const auto mount = mount_at(target.path());
        return fmt::format("cloexec {} early {} filled {} {} {} {}", is_cloexec(tree), early,
                           fs::exists(target.path() / "filled"), mount->fstype, mount->options,
                           mount->super_options.find("size=64k") != std::string::npos);
    });
    CHECK(seen == "cloexec true early false filled true tmpfs rw,nosuid,nodev,relatime true");
    CHECK(fs::is_empty(target.path()));
}

TEST_CASE("fsconfig_flag sets a flag of the file system") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory target;
    const std::string seen = in_private_mounts([&] {
        const UniqueFd context = sys::fsopen("tmpfs");
        sys::fsconfig_flag(context, "ro");
        sys::fsconfig_create(context, "tmpfs");
        const UniqueFd tree = sys::fsmount(context, 0, "tmpfs");
        sys::move_mount(tree, open_path(target.path()), target.path());
        return mount_at(target.path())->super_options;
    });
    CHECK(seen.starts_with("ro"));
}

TEST_CASE("move_mount refuses what is no mount and names the target") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory target;
    const std::string seen = in_private_mounts([&] {
        const UniqueFd folder = open_path(target.path());
        return refusal([&] { sys::move_mount(folder, folder, "/the/target"); });
    });
    CHECK(seen == "move_mount /the/target: EINVAL");
}

TEST_CASE("open_tree_clone copies one mount, or all below it too") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory directory;
    for (const bool recursive : {false, true}) {
        const std::string seen = in_private_mounts([&] {
            const fs::path outer = mount_two(directory.path());
            const fs::path copy = directory.path() / "copy";
            fs::create_directory(copy);
            const UniqueFd tree = sys::open_tree_clone(here, outer, recursive);
            sys::move_mount(tree, open_path(copy), copy);
            return fmt::format("{} {} {}", is_cloexec(tree), mount_at(copy).has_value(),
                               mount_at(copy / "inner").has_value());
        });
        CHECK(seen == fmt::format("true true {}", recursive));
        fs::remove(directory.path() / "copy");
        fs::remove(directory.path() / "outer");
    }
}

TEST_CASE("open_tree_clone says what is not there") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    CHECK(refusal([] { sys::open_tree_clone(here, "/nowhere/x", true); }) ==
          "open_tree /nowhere/x: ENOENT");
}

TEST_CASE("mount_setattr reaches the mounts below only when it is recursive") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory directory;
    const std::string seen = in_private_mounts([&] {
        const fs::path outer = mount_two(directory.path());
        const auto both = [&] {
            return options_at(outer) + " + " + options_at(outer / "inner") + "; ";
        };
        const UniqueFd tree = open_path(outer);
        sys::mount_setattr(tree, {.set = MOUNT_ATTR_NOEXEC}, false, outer);
        std::string text = both();
        sys::mount_setattr(tree, {.set = MOUNT_ATTR_RDONLY}, true, outer);
        text += both();
        sys::mount_setattr(tree, {.clear = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC}, true, outer);
        return text + both();
    });
    fs::remove(directory.path() / "outer");
    CHECK(seen ==
          "rw,noexec,relatime + rw,relatime; ro,noexec,relatime + ro,relatime; "
          "rw,relatime + rw,relatime; ");
}

TEST_CASE("mount_setattr changes propagation") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory directory;
    const std::string seen = in_private_mounts([&] {
        const fs::path outer = mount_two(directory.path());
        const UniqueFd tree = open_path(outer);
        sys::mount_setattr(tree, {.propagation = MS_SHARED}, true, outer);
        const std::string shared =
            mount_at(outer)->propagation.substr(0, 7) + mount_at(outer / "inner")->propagation[0];
        sys::mount_setattr(tree, {.propagation = MS_PRIVATE}, false, outer);
        return shared + " [" + mount_at(outer)->propagation + "] " +
               mount_at(outer / "inner")->propagation[0];
    });
    fs::remove(directory.path() / "outer");
    CHECK(seen == "shared:s [] s");
}

TEST_CASE("mount_setattr refuses an unknown attribute and names its subject") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string seen = in_private_mounts([] {
        return refusal(
            [] { sys::mount_setattr(open_path("/"), {.set = 1U << 30}, false, "root"); });
    });
    CHECK(seen == "mount_setattr root: EINVAL");
}

TEST_CASE("pivot_root changes the root, and refuses a folder that is no mount") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const std::string seen = in_private_mounts([&] {
        const UniqueFd tree = new_tmpfs();
        sys::mkdirat(tree, "inside", 0755);
        sys::move_mount(tree, open_path(root.path()), root.path());
        const fs::path folder = root.path() / "inside";
        const std::string refused = refusal([&] { sys::pivot_root(folder, folder); });
        sys::fchdir(tree, root.path());
        sys::pivot_root(".", ".");
        sys::umount2(".", MNT_DETACH);
        return refused + fmt::format(", {}", fs::directory_iterator("/")->path().string());
    });
    CHECK(seen == "pivot_root " + root.path().string() + "/inside: EINVAL, /inside");
}

TEST_CASE("umount2 takes a mount away, and refuses a folder that is none") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory directory;
    const std::string seen = in_private_mounts([&] {
        const fs::path outer = mount_two(directory.path());
        const std::string busy = refusal([&] { sys::umount2(outer, 0); });
        sys::umount2(outer / "inner", 0);
        sys::umount2(outer, MNT_DETACH);
        return busy + (mount_at(outer) ? ", there" : ", gone");
    });
    fs::remove(directory.path() / "outer");
    CHECK(seen == "umount2 " + (directory.path() / "outer").string() + ": EBUSY, gone");
    CHECK(refusal([&] { sys::umount2(directory.path(), 0); }) ==
          "umount2 " + directory.path().string() + ": EINVAL");
}

}  // namespace tenon::test
