// The pure part of chapter 02: words to bits, and the plan. No privilege needed.
#include <sys/mount.h>

#include <algorithm>

#include "catch.hpp"
#include "tenon/mount_plan.hpp"

namespace tenon::test {

namespace {

bool has_target(const MountPlan& plan, MountKind kind, const std::string& target) {
    return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const MountStep& step) {
        return step.kind == kind && step.target == target;
    });
}

const MountStep& step_for(const MountPlan& plan, const std::string& target) {
    const auto found = std::find_if(plan.steps.begin(), plan.steps.end(),
                                    [&](const MountStep& s) { return s.target == target; });
    REQUIRE(found != plan.steps.end());
    return *found;
}

}  // namespace

TEST_CASE("mount options become bits, the last word wins") {
    const MountAttributes ro = parse_mount_options("ro").attributes;
    CHECK(ro.set == MOUNT_ATTR_RDONLY);
    CHECK(ro.clear == 0);
    const MountAttributes rw = parse_mount_options("ro,rw").attributes;
    CHECK(rw.set == 0);
    CHECK(rw.clear == MOUNT_ATTR_RDONLY);
    const MountAttributes again = parse_mount_options("rw,ro").attributes;
    CHECK(again.set == MOUNT_ATTR_RDONLY);
    CHECK(again.clear == 0);
}

TEST_CASE("an access time mode clears the field before it sets it") {
    const MountAttributes none = parse_mount_options("strictatime,noatime").attributes;
    CHECK(none.set == MOUNT_ATTR_NOATIME);
    CHECK(none.clear == MOUNT_ATTR__ATIME);
    const MountAttributes relative = parse_mount_options("noatime,relatime").attributes;
    CHECK(relative.set == 0);
    CHECK(relative.clear == MOUNT_ATTR__ATIME);
}

TEST_CASE("an r in front means everything below as well") {
    const MountAttributes attributes = parse_mount_options("rro,rnosuid,nodev").attributes;
    CHECK(attributes.recursive_set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
    CHECK(attributes.set == MOUNT_ATTR_NODEV);
    const MountOptions options = parse_mount_options("rbind,rslave");
    CHECK(options.recursive_bind);
    CHECK(options.attributes.propagation == MS_SLAVE);
    CHECK(options.attributes.recursive_propagation);
}

TEST_CASE("unknown words are the file system's own") {
    const MountOptions options = parse_mount_options("nosuid,size=64m,mode=1777,defaults");
    CHECK(options.data == std::vector<std::string>{"size=64m", "mode=1777"});
    CHECK_THROWS_AS(parse_mount_options("ro,,rw"), std::invalid_argument);
    CHECK_THROWS_AS(parse_mount_options("ro,"), std::invalid_argument);
    CHECK(parse_mount_options("").data.empty());
}

TEST_CASE("--bind is recursive unless told otherwise, and refuses what makes no sense") {
    CHECK(parse_bind("/a:/b").recursive);
    CHECK(parse_bind("/a:/b:ro").recursive);
    CHECK_FALSE(parse_bind("/a:/b:bind,ro").recursive);
    CHECK(parse_bind("/a:/b:ro").attributes.set == MOUNT_ATTR_RDONLY);
    for (const char* text : {"", "/a", ":/b", "/a:", "/a:b", "/a:/b:size=3", "/a:/b:,", "/a:/b:"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_bind(text), std::invalid_argument);
    }
}

TEST_CASE("--tmpfs is hardened unless told otherwise") {
    const MountStep plain = parse_tmpfs("/cache");
    CHECK(plain.attributes.set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
    CHECK(plain.data == std::vector<std::string>{"mode=1777"});
    const MountStep given = parse_tmpfs("/cache:dev,noexec,size=1m,mode=700");
    CHECK(given.attributes.set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
    CHECK(given.data.back() == "mode=700");
    const MountStep everywhere = parse_tmpfs("/cache:rsuid");
    CHECK(everywhere.attributes.set == MOUNT_ATTR_NODEV);
    CHECK(everywhere.attributes.recursive_clear == MOUNT_ATTR_NOSUID);
    CHECK_THROWS_AS(parse_tmpfs("cache"), std::invalid_argument);
    CHECK_THROWS_AS(parse_tmpfs("/cache:bind"), std::invalid_argument);
}

TEST_CASE("a later recursive word undoes a plain one, a later plain word holds at the top") {
    const auto check = [](const char* words, const MountAttributes& wanted) {
        CAPTURE(words);
        const MountAttributes got = parse_mount_options(words).attributes;
        CHECK(got.set == wanted.set);
        CHECK(got.clear == wanted.clear);
        CHECK(got.recursive_set == wanted.recursive_set);
        CHECK(got.recursive_clear == wanted.recursive_clear);
    };
    const std::uint64_t ro = MOUNT_ATTR_RDONLY;
    check("ro,rrw", {.recursive_clear = ro});
    check("rw,rro", {.recursive_set = ro});
    check("rrw,ro", {.set = ro, .recursive_clear = ro});
    check("rro,rw", {.clear = ro, .recursive_set = ro});
    check("rro,rrw", {.recursive_clear = ro});
    check("ro,rrw,ro", {.set = ro, .recursive_clear = ro});
    check("nosuid,ro,rrw", {.set = MOUNT_ATTR_NOSUID, .recursive_clear = ro});
    check("noatime,rstrictatime",
          {.recursive_set = MOUNT_ATTR_STRICTATIME, .recursive_clear = MOUNT_ATTR__ATIME});
}

TEST_CASE("the default plan makes nodes as real root and binds them in a user namespace") {
    const MountPlan root = default_mount_plan({.created = {Namespace::Mount, Namespace::Pid}});
    CHECK(std::any_of(step_for(root, "/dev").contents.begin(),
                      step_for(root, "/dev").contents.end(),
                      [](const TreeEntry& entry) { return entry.name == "null"; }));
    CHECK_FALSE(has_target(root, MountKind::Bind, "/dev/null"));
    const std::vector<MountContext> not_root{
        {.created = NamespaceSet::all()},
        {.created = {Namespace::Mount}, .joined = {Namespace::User}},
        {.created = {Namespace::Mount, Namespace::Pid}, .in_initial_user_namespace = false}};
    for (const MountContext& context : not_root) {
        const MountPlan user = default_mount_plan(context);
        CHECK(has_target(user, MountKind::Bind, "/dev/null"));
        CHECK(step_for(user, "/dev/null").device.has_value());
    }
}

TEST_CASE("what is shared with the host is mounted by real root and bound in a user namespace") {
    const MountPlan root = default_mount_plan({.created = {Namespace::Mount}});
    CHECK(has_target(root, MountKind::Filesystem, "/proc"));
    CHECK(has_target(root, MountKind::Filesystem, "/sys"));
    CHECK(has_target(root, MountKind::Filesystem, "/dev/mqueue"));
    const std::vector<MountContext> not_root{
        {.created = {Namespace::Mount, Namespace::User}},
        {.created = {Namespace::Mount}, .joined = {Namespace::User}},
        {.created = {Namespace::Mount}, .in_initial_user_namespace = false}};
    for (const MountContext& context : not_root) {
        const MountPlan plan = default_mount_plan(context);
        CHECK(has_target(plan, MountKind::Bind, "/proc"));
        CHECK(has_target(plan, MountKind::Bind, "/sys"));
        CHECK_FALSE(has_target(plan, MountKind::Filesystem, "/dev/mqueue"));
        CHECK((step_for(plan, "/sys").attributes.recursive_set & MOUNT_ATTR_RDONLY) != 0);
    }
}

TEST_CASE("a new pid, network or IPC namespace gets an instance of its own everywhere") {
    const NamespaceSet three{Namespace::Mount, Namespace::Pid, Namespace::Net, Namespace::Ipc};
    for (const bool initial : {true, false}) {
        const MountPlan plan =
            default_mount_plan({.created = three, .in_initial_user_namespace = initial});
        CHECK(has_target(plan, MountKind::Filesystem, "/proc"));
        CHECK(has_target(plan, MountKind::Filesystem, "/sys"));
        CHECK(has_target(plan, MountKind::Filesystem, "/dev/mqueue"));
    }
}

TEST_CASE("a joined namespace is shown by a new instance, never by the host's") {
    const NamespaceSet three{Namespace::Pid, Namespace::Net, Namespace::Ipc};
    NamespaceSet with_user = three;
    with_user.insert(Namespace::User);
    for (const NamespaceSet& joined : {three, with_user}) {
        for (const bool initial : {true, false}) {
            const MountPlan plan = default_mount_plan({.created = {Namespace::Mount},
                                                       .joined = joined,
                                                       .in_initial_user_namespace = initial});
            CHECK(has_target(plan, MountKind::Filesystem, "/proc"));
            CHECK(has_target(plan, MountKind::Filesystem, "/sys"));
            CHECK(has_target(plan, MountKind::Filesystem, "/dev/mqueue"));
        }
    }
}

TEST_CASE("a joined namespace that a new user namespace does not own is refused by name") {
    const auto plan_with = [](Namespace joined) {
        return default_mount_plan(
            {.created = {Namespace::Mount, Namespace::User, Namespace::Pid, Namespace::Net},
             .joined = {joined}});
    };
    const NamespaceSet created{Namespace::Mount, Namespace::User};
    CHECK_THROWS_WITH(default_mount_plan({.created = created, .joined = {Namespace::Pid}}),
                      "joining its pid namespace without its user namespace: procfs cannot be "
                      "mounted there; join user as well: --join PID:user,pid");
    CHECK_THROWS_WITH(default_mount_plan({.created = {Namespace::User, Namespace::Pid},
                                          .joined = {Namespace::Net}}),
                      "joining its net namespace without its user namespace: sysfs cannot be "
                      "mounted there; join user as well: --join PID:user,net");
    CHECK_FALSE(has_target(plan_with(Namespace::Ipc), MountKind::Filesystem, "/dev/mqueue"));
}

TEST_CASE("the user's mounts come after the default ones and before the protected paths") {
    const MountPlan plan =
        default_mount_plan({.created = NamespaceSet::all()}, {parse_tmpfs("/mine")});
    const auto position = [&](const std::string& target) {
        return std::find_if(plan.steps.begin(), plan.steps.end(),
                            [&](const MountStep& s) { return s.target == target; }) -
               plan.steps.begin();
    };
    CHECK(position("/dev/shm") < position("/mine"));
    CHECK(position("/mine") < position("/proc/kcore"));
}

}  // namespace tenon::test
