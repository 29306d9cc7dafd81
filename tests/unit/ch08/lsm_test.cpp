// Labels: which modules there are, what is refused, where they are written.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/lsm.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

// Folders that stand for /proc and /sys.
struct Kernel {
    TemporaryDirectory directory;
    UniqueFd proc;
    UniqueFd sys;

    Kernel(const char* enabled, const char* filesystems) {
        namespace fs = std::filesystem;
        fs::create_directories(directory.path() / "proc");
        fs::create_directories(directory.path() / "sys/module/apparmor/parameters");
        if (*enabled != '\0') {
            write_file(directory.path() / "sys/module/apparmor/parameters/enabled", enabled);
        }
        write_file(directory.path() / "proc/filesystems", filesystems);
        proc = open(directory.path() / "proc");
        sys = open(directory.path() / "sys");
    }
    static UniqueFd open(const std::filesystem::path& path) {
        return sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
    }
    [[nodiscard]] LsmSupport support() const { return read_lsm_support(proc, sys); }
};

std::string complaint(const LsmLabels& labels, const LsmSupport& support) {
    try {
        check_labels(labels, support);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("a module is there when the kernel says that it runs") {
    CHECK(Kernel{"Y\n", ""}.support().apparmor);
    CHECK_FALSE(Kernel{"N\n", ""}.support().apparmor);
    CHECK_FALSE(Kernel{"", ""}.support().apparmor);
    CHECK(Kernel{"", "nodev\tsysfs\nnodev\tselinuxfs\n\text4\n"}.support().selinux);
    CHECK_FALSE(Kernel{"", "nodev\tsysfs\n\text4\n"}.support().selinux);
    CHECK_FALSE(Kernel{"", "nodev\tmyselinuxfs\nnodev\tselinuxfs2\n"}.support().selinux);
}

TEST_CASE("a label is refused where its module is not") {
    CHECK(complaint({}, {}) == "accepted");
    CHECK(complaint({.apparmor_profile = "some"}, {}).find("does not run AppArmor") !=
          std::string::npos);
    CHECK(complaint({.selinux_label = "a:b:c:d"}, {}).find("does not run SELinux") !=
          std::string::npos);
    CHECK(complaint({.mount_label = "a:b:c:d"}, {}).starts_with("linux.mountLabel 'a:b:c:d'"));
    CHECK(complaint({.apparmor_profile = "some"}, {.apparmor = true}) == "accepted");
    CHECK(complaint({.selinux_label = "a:b:c:d", .mount_label = "e"}, {.selinux = true}) ==
          "accepted");
    // One module is not the other.
    CHECK(complaint({.apparmor_profile = "some"}, {.selinux = true}) != "accepted");
    CHECK(complaint({.selinux_label = "a:b:c:d"}, {.apparmor = true}) != "accepted");
}

TEST_CASE("unconfined asks for nothing, so it needs no module") {
    CHECK(complaint({.apparmor_profile = "unconfined"}, {}) == "accepted");
}

TEST_CASE("a label that would be two words of the kernel's is refused") {
    const LsmSupport all{.apparmor = true, .selinux = true};
    for (const char* text : {"a b", "a\nb", "\ta", "a\x7f", " "}) {
        CHECK(complaint({.apparmor_profile = text}, all) != "accepted");
        CHECK(complaint({.selinux_label = text}, all) != "accepted");
        CHECK(complaint({.mount_label = text}, all) != "accepted");
    }
    CHECK(complaint({.apparmor_profile = std::string{"a\0b", 3}}, all) != "accepted");
}

TEST_CASE("a mount label goes to the file systems that have labels of their own") {
    const auto step = [](MountKind kind, const char* fstype) {
        MountStep made{.kind = kind};
        made.fstype = fstype;
        return made;
    };
    MountPlan plan;
    plan.steps = {step(MountKind::Filesystem, "proc"),
                  step(MountKind::Filesystem, "tmpfs"),
                  step(MountKind::Filesystem, "devpts"),
                  step(MountKind::Filesystem, "sysfs"),
                  step(MountKind::Filesystem, "mqueue"),
                  step(MountKind::Filesystem, "cgroup2"),
                  step(MountKind::Bind, ""),
                  step(MountKind::Mask, "")};
    apply_mount_label("", plan);
    for (const MountStep& each : plan.steps) CHECK(each.data.empty());
    apply_mount_label("u:r:t:s0:c1,c2", plan);
    for (const MountStep& each : plan.steps) {
        const bool labelled = each.fstype == "tmpfs" || each.fstype == "devpts";
        INFO(each.fstype);
        CHECK(each.data == (labelled ? std::vector<std::string>{"context=u:r:t:s0:c1,c2"}
                                     : std::vector<std::string>{}));
    }
}

TEST_CASE("without labels nothing is written anywhere") {
    write_exec_labels({}, {.apparmor = true, .selinux = true}, FdRef{});
    write_exec_labels({.apparmor_profile = "unconfined"}, {}, FdRef{});
}

TEST_CASE("a label is written to the thread's own file, and a refusal names it") {
    TENON_NEED(!own_lsm_support().selinux && !own_lsm_support().apparmor,
               "needs a kernel without these modules");
    const UniqueFd proc = open_host_proc();
    const std::string selinux =
        refusal([&] { write_exec_labels({.selinux_label = "a:b:c:d"}, {.selinux = true}, proc); });
    CHECK(selinux.starts_with("apply label SELinux label a:b:c:d: E"));
    const std::string apparmor =
        refusal([&] { write_exec_labels({.apparmor_profile = "some"}, {.apparmor = true}, proc); });
    CHECK(apparmor.starts_with("apply label AppArmor profile some: E"));
}

TEST_CASE("a /proc that is something else is not the host's") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    // CVE-2019-16884: a volume over /proc, with a file where the label would be written.
    const std::string said = run_inside(CLONE_NEWNS, []() -> std::string {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
        check(::mount("none", "/proc", "tmpfs", 0, nullptr), "mount");
        std::filesystem::create_directories("/proc/thread-self/attr");
        write_file("/proc/thread-self/attr/exec", "");
        try {
            open_host_proc();
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "accepted";
    });
    CHECK(said == "/proc is no procfs: a label written there would reach nobody");
}

TEST_CASE("what a held /proc says is not what lies over it") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const UniqueFd proc = open_host_proc();
    const std::string said = run_inside(CLONE_NEWNS, [&]() -> std::string {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
        check(::mount("none", "/proc", "tmpfs", 0, nullptr), "mount");
        std::filesystem::create_directories("/proc/thread-self/attr");
        write_file("/proc/thread-self/attr/exec", "");
        const std::string told = refusal(
            [&] { write_exec_labels({.selinux_label = "a:b:c:d"}, {.selinux = true}, proc); });
        return told + "|" + read_file("/proc/thread-self/attr/exec");
    });
    CHECK(said.starts_with("apply label SELinux label a:b:c:d: E"));
    CHECK(said.ends_with("|"));
}

}  // namespace tenon::test
