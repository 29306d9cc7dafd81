// The steps that a config asks for: nodes in a folder that is there, remounts, and what may not be
// mounted at all.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

// What applying `plan` to `root` in a mount namespace of its own comes to, and then what `look`
// says there: "ENAME subject" for a refused call.
std::string applied(const fs::path& root, const MountPlan& plan,
                    const std::function<std::string()>& look = {}) {
    return run_inside(CLONE_NEWNS, [&]() -> std::string {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        try {
            apply_mounts(sys::openat(FdRef::working_directory(), root, O_PATH), plan);
        } catch (const SysError& error) {
            return errno_name(error.error()) + " " + error.subject();
        }
        return look ? look() : "applied";
    });
}

MountPlan plan_of(std::vector<MountStep> steps) {
    MountPlan plan;
    plan.steps = std::move(steps);
    return plan;
}

MountStep tmpfs(const std::string& target, std::vector<std::string> data = {}) {
    MountStep step{.kind = MountKind::Filesystem, .target = target, .fstype = "tmpfs"};
    step.data = std::move(data);
    return step;
}

MountStep nodes(const std::string& target, std::vector<TreeEntry> contents) {
    MountStep step{.kind = MountKind::Nodes, .target = target};
    step.contents = std::move(contents);
    return step;
}

TreeEntry fifo(const std::string& name) {
    return {.kind = TreeEntry::Kind::Fifo, .name = name, .mode = 0640};
}

MountStep proc(const std::string& target = "/proc") {
    return {.kind = MountKind::Bind, .source = "/proc", .target = target, .recursive = true};
}

// Of the mount at `point`, as the caller sees it.
std::string options_at(const std::string& point) {
    for (const MountInfo& mount : mounts_of(::getpid())) {
        if (mount.mount_point == point) return mount.options + " " + mount.super_options;
    }
    return "no such mount";
}

bool starts(const std::string& text, const std::string& beginning) {
    return text.starts_with(beginning);
}

}  // namespace

TEST_CASE("nodes are made where they are missing, whatever the umask", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    fs::create_directories(root.path() / "dev");
    const MountPlan plan = plan_of({nodes("/dev", {fifo("one"), fifo("deep/er/two")})});
    const std::string modes = applied(root.path(), plan, [&] {
        struct stat one {};
        struct stat two {};
        check(::stat((root.path() / "dev/one").c_str(), &one), "stat");
        check(::stat((root.path() / "dev/deep/er/two").c_str(), &two), "stat");
        return fmt::format("{:o} {:o}", one.st_mode, two.st_mode);
    });
    CHECK(modes == "10640 10640");
    CHECK(applied(root.path(), plan) == "applied");  // they are there, and are what is asked for
}

TEST_CASE("a node that is something else is refused, a link left alone", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    fs::create_directories(root.path() / "dev");
    write_file(root.path() / "dev/one", "a file");
    CHECK(starts(applied(root.path(), plan_of({nodes("/dev", {fifo("one")})})), "EEXIST /dev/one"));
    const TreeEntry link{
        .kind = TreeEntry::Kind::Symlink, .name = "one", .link_target = "elsewhere"};
    CHECK(applied(root.path(), plan_of({nodes("/dev", {link})})) == "applied");
    CHECK(read_file(root.path() / "dev/one") == "a file");
}

TEST_CASE("where a node's folder should be, the image may have a file", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    write_file(root.path() / "file", "a file");
    fs::create_directories(root.path() / "dev");
    fs::copy(root.path() / "file", root.path() / "dev/file");
    for (const char* const folder : {"/file", "/file/below"}) {
        CHECK(starts(applied(root.path(), plan_of({nodes(folder, {fifo("one")})})), "ENOTDIR"));
    }
    CHECK(starts(applied(root.path(), plan_of({nodes("/dev", {fifo("file/one")})})), "ENOTDIR"));
}

TEST_CASE("a link of the image leads no node out", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory outside;
    fs::create_directories(root.path() / "folder");
    fs::create_symlink(outside.path(), root.path() / "folder/out");
    fs::create_symlink(outside.path(), root.path() / "dev");
    CHECK(applied(root.path(), plan_of({nodes("/folder", {fifo("out/one")})})) == "applied");
    CHECK(starts(applied(root.path(), plan_of({nodes("/dev", {fifo("one")})})), "ELOOP /dev"));
    CHECK(fs::is_empty(outside.path()));
}

TEST_CASE("a link among the contents of a tmpfs is not followed", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    const TemporaryDirectory outside;
    MountStep step = tmpfs("/data");
    step.contents = {
        {.kind = TreeEntry::Kind::Symlink, .name = "out", .link_target = outside.path().string()},
        fifo("out/one")};
    CHECK(starts(applied(root.path(), plan_of({step})), "ELOOP out"));
    CHECK(fs::is_empty(outside.path()));
}

TEST_CASE("a remount changes the mount, with data its file system", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    MountStep change{.kind = MountKind::Remount, .target = "/data"};
    change.attributes.set = MOUNT_ATTR_RDONLY;
    change.data = {"size=2m"};
    const MountPlan plan = plan_of({tmpfs("/data", {"size=1m"}), change});
    const std::string options =
        applied(root.path(), plan, [&] { return options_at(root.path().string() + "/data"); });
    CHECK(starts(options, "ro,"));
    CHECK(options.find("size=2048k") != std::string::npos);
}

TEST_CASE("nothing takes the place of what procfs says", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    fs::create_directories(root.path() / "proc");
    fs::create_symlink("proc/sys", root.path() / "link");
    const char* const target = GENERATE("/proc/sys", "/proc/self", "proc//sys/", "/link");
    const std::string said = applied(root.path(), plan_of({proc(), tmpfs(target)}));
    CHECK(starts(said, "EPERM"));
    CHECK(said.find("procfs") != std::string::npos);
}

TEST_CASE("only procfs is mounted as /proc", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    CHECK(starts(applied(root.path(), plan_of({tmpfs("/proc")})), "EPERM /proc"));
    CHECK(starts(applied(root.path(), plan_of({tmpfs("proc/")})), "EPERM"));
    CHECK(applied(root.path(), plan_of({proc()})) == "applied");
    CHECK(applied(root.path(), plan_of({proc(), tmpfs("/proc.d")})) == "applied");
}

TEST_CASE("an error says which entry of a config asked for the step", "[uses-02.2][uses-02.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory root;
    MountStep step{.kind = MountKind::Filesystem, .target = "/data", .fstype = "no-such"};
    step.origin = "/mounts/7";
    CHECK(applied(root.path(), plan_of({step})) == "ENODEV no-such (/mounts/7)");
}

}  // namespace tenon::test
