// 02.3: mounts as the plan says, complete before they are seen.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// A root file system in the making: a folder, and a process that applied a plan to it in a mount
// namespace of its own, with its mounts made private by the test.
class Applied {
  public:
    Applied(const fs::path& root, const MountPlan& plan, std::uint64_t more_namespaces = 0)
        : root_(root), process_(CLONE_NEWNS | more_namespaces, [&] {
              check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
              apply_mounts(sys::openat(FdRef::working_directory(), root, O_PATH), plan);
          }) {}

    // The mount at `target` of the container, as the kernel lists it; nothing when there is none.
    [[nodiscard]] std::optional<MountInfo> mount_at(const std::string& target) const {
        std::optional<MountInfo> last;
        for (const MountInfo& mount : mounts_of(process_.pid())) {
            if (mount.mount_point == root_.string() + target) last = mount;
        }
        return last;
    }

    // Where the test reads the container's files: through the process's own eyes.
    [[nodiscard]] fs::path view(const std::string& target) const {
        return fmt::format("/proc/{}/root{}{}", process_.pid(), root_.string(), target);
    }

  private:
    fs::path root_;
    Inside process_;
};

MountStep filesystem(const std::string& fstype, const std::string& target) {
    return {.kind = MountKind::Filesystem, .target = target, .fstype = fstype};
}

MountPlan plan_of(MountStep step) {
    MountPlan plan;
    plan.steps.push_back(std::move(step));
    return plan;
}

std::string options_of(const std::optional<MountInfo>& mount) {
    return mount ? mount->options + " " + mount->super_options : std::string{"no such mount"};
}

bool is_number(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

TEST_CASE("a new procfs shows the container's processes only", "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const Applied applied(root.path(), plan_of(filesystem("proc", "/proc")), CLONE_NEWPID);
    const auto entries = fs::directory_iterator(applied.view("/proc"));
    const auto processes = std::count_if(begin(entries), end(entries), is_number);
    step("in a new pid namespace, apply_mounts makes /proc");
    step(fmt::format("/proc there lists {} process(es)", processes));
    fact("host_processes_visible", processes > 1);
    TENON_EXPECT(processes == 1, "one process: the container's own", fmt::format("{}", processes));
}

TEST_CASE("a mount has the attributes of its plan", "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    MountStep tmpfs = filesystem("tmpfs", "/data");
    tmpfs.attributes = parse_mount_options("ro,nosuid,nodev,noexec,noatime").attributes;
    const Applied applied(root.path(), plan_of(tmpfs));
    const auto mount = applied.mount_at("/data");
    step("a tmpfs with ro,nosuid,nodev,noexec,noatime; mountinfo: " + options_of(mount));
    fact("attributes_missing", mount && !mount->has_option("nosuid"));
    for (const char* option : {"ro", "nosuid", "nodev", "noexec", "noatime"}) {
        TENON_EXPECT(mount && mount->has_option(option), std::string{"option "} + option,
                     options_of(mount));
    }
}

TEST_CASE("a file system gets its own options", "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    MountStep tmpfs = filesystem("tmpfs", "/data");
    const std::uint64_t kibibytes = 4 * (1 + random_below(1000));
    tmpfs.data = {fmt::format("size={}k", kibibytes), "mode=700"};
    const Applied applied(root.path(), plan_of(tmpfs));
    const std::string options = options_of(applied.mount_at("/data"));
    step(fmt::format("a tmpfs with size={}k,mode=700; mountinfo: {}", kibibytes, options));
    const bool sized = options.find(fmt::format("size={}k", kibibytes)) != std::string::npos;
    fact("data_missing", !sized);
    TENON_EXPECT(sized, fmt::format("size={}k", kibibytes), options);
    TENON_EXPECT(options.find("mode=700") != std::string::npos, "mode=700", options);
}

TEST_CASE("what a file system is to contain is there, although it is read-only",
          "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    MountStep tmpfs = filesystem("tmpfs", "/data");
    tmpfs.attributes.set = MOUNT_ATTR_RDONLY;
    const std::string link = random_name(8);
    tmpfs.contents.push_back(
        {.kind = TreeEntry::Kind::Symlink, .name = link, .link_target = "/proc/self/fd"});
    tmpfs.contents.push_back({.kind = TreeEntry::Kind::Directory, .name = "pts"});
    step("a read-only tmpfs that is to hold a link and a folder");
    std::optional<Applied> made;
    try {
        made.emplace(root.path(), plan_of(tmpfs));
    } catch (const SysError& error) {
        fact("sealed_before_filled", error.error() == EROFS);
        throw;
    }
    const Applied& applied = *made;
    const bool has_link = fs::is_symlink(applied.view("/data/" + link));
    fact("contents_missing", !has_link);
    TENON_EXPECT(has_link, "the link is there", "it is not");
    TENON_EXPECT(fs::is_directory(applied.view("/data/pts")), "the folder is there", "it is not");
    TENON_EXPECT(applied.mount_at("/data")->has_option("ro"), "and the mount is read-only",
                 options_of(applied.mount_at("/data")));
}

TEST_CASE("a bind shows the same files, with attributes of its own", "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory source;
    const std::string content = random_name(20);
    write_file(source.path() / "file", content);
    const Applied applied(root.path(),
                          plan_of(parse_bind(source.path().string() + ":/data:ro,nosuid")));
    const auto mount = applied.mount_at("/data");
    step("bind with ro,nosuid; mountinfo: " + options_of(mount));
    const std::string got = read_file(applied.view("/data/file"));
    fact("attributes_missing", mount && !mount->has_option("ro"));
    TENON_EXPECT(got == content, "the source's file", "\"" + got + "\"");
    TENON_EXPECT(mount && mount->has_option("ro"), "ro", options_of(mount));
    TENON_EXPECT(mount && mount->has_option("nosuid"), "nosuid", options_of(mount));
    std::error_code refused;
    fs::create_directory(source.path() / "still-writable", refused);
    TENON_EXPECT(!refused, "the source itself stays writable", refused.message());
}

TEST_CASE("bind takes the mounts below along only when it is recursive", "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory source;
    fs::create_directory(source.path() / "sub");
    check(::mount("tmpfs", (source.path() / "sub").c_str(), "tmpfs", 0, nullptr), "mount");
    const auto bind = [&](const char* how) {
        const Applied applied(root.path(),
                              plan_of(parse_bind(source.path().string() + ":/data:" + how)));
        return applied.mount_at("/data/sub").has_value();
    };
    bool with_rbind = false;
    bool with_bind = false;
    try {
        with_rbind = bind("rbind");
        with_bind = bind("bind");
    } catch (...) {
        ::umount2((source.path() / "sub").c_str(), MNT_DETACH);
        throw;
    }
    ::umount2((source.path() / "sub").c_str(), MNT_DETACH);
    step("the source has a tmpfs at sub; bound once with rbind, once with bind");
    fact("submounts_lost", !with_rbind);
    fact("submounts_taken_along", with_bind);
    TENON_EXPECT(with_rbind, "rbind: sub is a mount inside", "it is missing");
    TENON_EXPECT(!with_bind, "bind: sub is an empty folder inside", "its mount came along");
}

TEST_CASE("a source that is not the device it should be is refused", "[02.3][uses-02.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory source;
    write_file(source.path() / "null", "");
    MountStep step_of = parse_bind((source.path() / "null").string() + ":/dev/null");
    step_of.device = makedev(1, 3);
    std::string got = "mounted";
    try {
        const Applied applied(root.path(), plan_of(step_of));
    } catch (const SysError& error) {
        got = errno_name(error.error());
    }
    step("a plain file is to be bound as device 1:3");
    fact("device_unchecked", got == "mounted");
    TENON_EXPECT(got == "ENODEV", "ENODEV", got);
}

TEST_CASE("a masked path reads as empty and a read-only one refuses to be written",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    fs::create_directories(root.path() / "secret");
    fs::create_directories(root.path() / "config");
    fs::create_directories(root.path() / "dev");
    write_file(root.path() / "secret/key", "secret");
    write_file(root.path() / "key", "secret");
    MountPlan plan;
    plan.steps.push_back(parse_bind("/dev/null:/dev/null"));
    for (const char* path : {"/secret", "/key", "/not-there"}) {
        plan.steps.push_back({.kind = MountKind::Mask, .target = path});
    }
    plan.steps.push_back({.kind = MountKind::ReadonlyPath, .target = "/config"});
    const Applied applied(root.path(), plan);
    CHECK(fs::is_empty(applied.view("/secret")));
    CHECK(read_file(applied.view("/key")).empty());
    CHECK(applied.mount_at("/config")->has_option("ro"));
    CHECK_FALSE(applied.mount_at("/not-there").has_value());
}

TEST_CASE("a mask covers whatever the image has as its null", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    fs::create_directories(root.path() / "dev");
    write_file(root.path() / "key", "secret");
    write_file(root.path() / "target", "the attacker's choice");
    MountPlan plan;
    plan.steps.push_back({.kind = MountKind::Mask, .target = "/key"});
    SECTION("a link elsewhere") {
        fs::create_symlink("../target", root.path() / "dev/null");
    }
    SECTION("a plain file") {
        write_file(root.path() / "dev/null", "the attacker's choice");
    }
    SECTION("nothing, as with --tmpfs /dev") {
        plan.steps.insert(plan.steps.begin(), parse_tmpfs("/dev"));
    }
    const Applied applied(root.path(), plan);
    CHECK(read_file(applied.view("/key")).empty());
    struct stat status {};
    REQUIRE(::stat(applied.view("/key").c_str(), &status) == 0);
    CHECK(status.st_rdev == makedev(1, 3));
    CHECK(applied.mount_at("/key")->has_option("ro"));
    CHECK(read_file(root.path() / "target") == "the attacker's choice");
}

TEST_CASE("recursive attributes first, then those of the top mount", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    struct Row {
        const char* words;
        bool top_readonly;
        bool below_readonly;
    };
    const auto row =
        GENERATE(Row{"ro", true, false}, Row{"rro", true, true}, Row{"ro,rrw", false, false},
                 Row{"rrw,ro", true, false}, Row{"rro,rw", false, true}, Row{"rw,rro", true, true},
                 Row{"rro,rrw", false, false}, Row{"rrw,rro", true, true});
    const TemporaryDirectory root;
    const TemporaryDirectory source;
    fs::create_directory(source.path() / "sub");
    check(::mount("tmpfs", (source.path() / "sub").c_str(), "tmpfs", 0, nullptr), "mount");
    std::optional<MountInfo> top;
    std::optional<MountInfo> below;
    try {
        const Applied applied(root.path(),
                              plan_of(parse_bind(source.path().string() + ":/data:" + row.words)));
        top = applied.mount_at("/data");
        below = applied.mount_at("/data/sub");
    } catch (...) {
        ::umount2((source.path() / "sub").c_str(), MNT_DETACH);
        throw;
    }
    ::umount2((source.path() / "sub").c_str(), MNT_DETACH);
    CAPTURE(row.words);
    REQUIRE((top && below));
    CHECK(top->has_option("ro") == row.top_readonly);
    CHECK(below->has_option("ro") == row.below_readonly);
}

TEST_CASE("a link where /proc, /sys or /dev belongs is refused, whatever is mounted there",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory source;
    const std::string target = GENERATE("/proc", "/sys", "/dev", "proc", "//dev/", "/sys/.");
    const std::string link = GENERATE("/", "etc", "/etc", "/new/folder", "..");
    const bool bind = GENERATE(true, false);
    CAPTURE(target, link, bind);
    fs::create_directory(root.path() / "etc");
    const std::string name = target.substr(target.find_first_not_of('/'), 3);
    fs::create_symlink(link, root.path() / (name == "pro" ? "proc" : name));
    MountStep step = filesystem("tmpfs", target);
    if (bind) step = {.kind = MountKind::Bind, .source = source.path(), .target = target};
    std::string got = "mounted";
    try {
        const Applied applied(root.path(), plan_of(step));
    } catch (const SysError& error) {
        got = errno_name(error.error());
    }
    CHECK(got == "ELOOP");
    CHECK(fs::is_empty(root.path() / "etc"));
    CHECK_FALSE(fs::exists(root.path() / "new"));
}

TEST_CASE("a missing /proc, /sys or /dev is made, however its name is spelt",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const std::string target = GENERATE("/sys", "sys", "//sys/", "/sys/.", "/etc/../sys");
    CAPTURE(target);
    const Applied applied(root.path(), plan_of(filesystem("tmpfs", target)));
    CHECK(applied.mount_at("/sys").has_value());
}

TEST_CASE("a file on a folder and a folder on a file are refused in words",
          "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory source;
    fs::create_directory(root.path() / "folder");
    write_file(root.path() / "file", "");
    write_file(source.path() / "file", "");
    const auto refusal = [&](const std::string& bind) -> std::string {
        try {
            const Applied applied(root.path(), plan_of(parse_bind(bind)));
        } catch (const SysError& error) {
            return error.call() + " " + error.subject() + " " + errno_name(error.error());
        }
        return "mounted";
    };
    CHECK(refusal(source.path().string() + "/file:/folder") == "mount /folder EISDIR");
    CHECK(refusal(source.path().string() + ":/file") == "mount /file ENOTDIR");
    CHECK(refusal(source.path().string() + "/file:/file") == "mounted");
    CHECK(refusal(source.path().string() + ":/folder") == "mounted");
}

}  // namespace tenon::test
