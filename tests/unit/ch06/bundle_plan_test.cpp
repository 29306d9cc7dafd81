// plan_bundle, mounts_from and beyond: a config as a plan, before any system call.
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <stdexcept>

#include "catch.hpp"
#include "configs.hpp"
#include "tenon/bundle_plan.hpp"

namespace tenon::test {

namespace {

oci::Spec planned_spec() {
    oci::Spec spec = valid_spec();
    spec.linux->namespaces = {{.type = "mount"}, {.type = "pid"}};
    return spec;
}

oci::Mount tmpfs(const std::string& destination, std::vector<std::string> options = {}) {
    return {
        .destination = destination, .type = "tmpfs", .source = "t", .options = std::move(options)};
}

oci::Mount bind(const std::string& destination, std::vector<std::string> options = {"bind"}) {
    return {.destination = destination,
            .type = "none",
            .source = "/src",
            .options = std::move(options)};
}

std::string complaint(const oci::Spec& spec) {
    try {
        static_cast<void>(plan_bundle(spec, true));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

MountStep step_for(const oci::Mount& mount) {
    oci::Spec spec = planned_spec();
    spec.mounts = {mount};
    return mounts_from(spec, true).steps.at(0);
}

std::string complaint_about(const oci::Mount& mount) {
    oci::Spec spec = planned_spec();
    spec.mounts = {mount};
    return complaint(spec);
}

const TreeEntry* entry(const MountStep& step, const std::string& name) {
    const auto found = std::find_if(step.contents.begin(), step.contents.end(),
                                    [&](const TreeEntry& e) { return e.name == name; });
    return found == step.contents.end() ? nullptr : &*found;
}

bool says(const std::vector<std::string>& texts, const std::string& word) {
    return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
        return text.find(word) != std::string::npos;
    });
}

}  // namespace

TEST_CASE("namespaces are new, or joined by their path") {
    oci::Spec spec = planned_spec();
    spec.linux->namespaces.push_back({.type = "network", .path = "/run/netns/x"});
    spec.linux->namespaces.push_back({.type = "uts"});
    spec.hostname = "h";
    spec.domainname = "d";
    spec.process->args = {"a", "b"};
    const NamespaceOptions options = plan_bundle(spec, true).namespaces;
    CHECK(options.create.contains(Namespace::Mount));
    CHECK(options.create.contains(Namespace::Uts));
    CHECK_FALSE(options.create.contains(Namespace::Net));
    REQUIRE(options.join_paths.size() == 1);
    CHECK(options.join_paths[0].kind == Namespace::Net);
    CHECK(options.join_paths[0].path == "/run/netns/x");
    CHECK(options.hostname == "h");
    CHECK(options.domainname == "d");
    CHECK(options.command == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a container without mounts of its own is refused") {
    oci::Spec spec = planned_spec();
    spec.linux->namespaces = {{.type = "pid"}};
    CHECK(complaint(spec).find("mount namespace") != std::string::npos);
    spec.linux->namespaces = {{.type = "mount", .path = "/proc/1/ns/mnt"}};
    CHECK(complaint(spec).find("mount namespace") != std::string::npos);
    spec.linux.reset();
    CHECK(complaint(spec).find("mount namespace") != std::string::npos);
}

TEST_CASE("a mount namespace of others is neither created nor joined, but shared") {
    oci::Spec spec = planned_spec();
    CHECK_FALSE(plan_bundle(spec, true, OwnMounts::Optional).shared_mounts);
    spec.linux->namespaces = {{.type = "pid"}, {.type = "uts", .path = "/proc/1/ns/uts"}};
    BundlePlan plan = plan_bundle(spec, true, OwnMounts::Optional);
    REQUIRE(plan.shared_mounts);
    CHECK(plan.shared_mounts->path.empty());
    spec.linux->namespaces.push_back({.type = "mount", .path = "/proc/1/ns/mnt"});
    plan = plan_bundle(spec, true, OwnMounts::Optional);
    REQUIRE(plan.shared_mounts);
    CHECK(plan.shared_mounts->path == "/proc/1/ns/mnt");
    CHECK_FALSE(plan.namespaces.create.contains(Namespace::Mount));
    REQUIRE(plan.namespaces.join_paths.size() == 1);
    CHECK(plan.namespaces.join_paths[0].kind == Namespace::Uts);
    spec.linux.reset();
    CHECK(plan_bundle(spec, true, OwnMounts::Optional).shared_mounts);
}

TEST_CASE("what a shared mount namespace cannot do is refused, and with one of its own it is not") {
    const auto refused = [](const oci::Spec& spec) {
        try {
            static_cast<void>(plan_bundle(spec, true, OwnMounts::Optional));
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    oci::Spec own = planned_spec();
    oci::Spec shared = planned_spec();
    shared.linux->namespaces = {{.type = "pid"}};
    own.mounts = shared.mounts = {tmpfs("/t", {"unbindable"})};
    CHECK(refused(own).empty());
    CHECK(refused(shared).find("unbindable") != std::string::npos);
    own.mounts = shared.mounts = {};
    CHECK(refused(shared).empty());
    own.linux->rootfs_propagation = shared.linux->rootfs_propagation = "unbindable";
    CHECK(refused(own).empty());
    CHECK(refused(shared).find("unbindable") != std::string::npos);
    own = planned_spec();
    own.linux->namespaces.push_back({.type = "user"});
    CHECK(refused(own).empty());
    shared = own;
    shared.linux->namespaces.erase(shared.linux->namespaces.begin());
    CHECK(refused(shared).find("no right to a mount namespace") != std::string::npos);
    shared.linux->namespaces.push_back({.type = "mount", .path = "/proc/1/ns/mnt"});
    CHECK(refused(shared).find("no right to a mount namespace") != std::string::npos);
}

TEST_CASE("names need a UTS namespace, offsets a new time namespace") {
    oci::Spec spec = planned_spec();
    spec.hostname = "x";
    CHECK(complaint(spec).starts_with("/hostname"));
    spec.hostname.clear();
    spec.domainname = "x";
    CHECK(complaint(spec).starts_with("/domainname"));
    spec = planned_spec();
    spec.linux->time_offsets = {{"boottime", {.secs = -5, .nanosecs = 7}}};
    CHECK(complaint(spec).starts_with("/linux/timeOffsets"));
    spec.linux->namespaces.push_back({.type = "time"});
    const auto offsets = plan_bundle(spec, true).namespaces.clock_offsets;
    REQUIRE(offsets.size() == 1);
    CHECK(offsets[0].clock == "boottime");
    CHECK(offsets[0].seconds == -5);
    CHECK(offsets[0].nanoseconds == 7);
}

TEST_CASE("the group is where cgroupsPath says; swap is limited by the config alone") {
    oci::Spec spec = planned_spec();
    CHECK_FALSE(plan_bundle(spec, true).cgroup.asks_for_group());
    spec.linux->resources.emplace();
    spec.linux->resources->memory = oci::Memory{.limit = 4096};
    const CgroupOptions limited = plan_bundle(spec, true).cgroup;
    CHECK(limited.asks_for_group());
    CHECK(limited.limits.memory_max == 4096);
    CHECK(limited.memory_and_swap == no_limit);
    spec.linux->cgroups_path = "/a/b";
    CHECK(plan_bundle(spec, true).cgroup.path == "/a/b");
    spec.linux->cgroups_path = "a/b";
    CHECK(plan_bundle(spec, true).cgroup.path == "a/b");
    spec.linux->cgroups_path = "system.slice:tenon:x";
    CHECK(complaint(spec).find("chapter 10") != std::string::npos);
    spec.linux->cgroups_path = GENERATE("/", "a/../b", "/..", "a//b");
    CHECK(complaint(spec) != "accepted");
}

TEST_CASE("for a new user namespace the parent has to raise the hard limits") {
    oci::Spec spec = planned_spec();
    spec.process->rlimits = {{.type = "RLIMIT_NOFILE", .hard = 4096, .soft = 10}};
    CHECK(plan_bundle(spec, true).namespaces.hard_limits.empty());
    spec.linux->namespaces.push_back({.type = "user"});
    const std::vector<HardLimit> limits = plan_bundle(spec, true).namespaces.hard_limits;
    REQUIRE(limits.size() == 1);
    CHECK(limits[0].resource == RLIMIT_NOFILE);
    CHECK(limits[0].value == 4096);
    spec.process->rlimits = {{.type = "RLIMIT_NONE", .hard = 1, .soft = 1}};
    CHECK(complaint(spec).find("RLIMIT_NONE") != std::string::npos);
}

TEST_CASE("a config without anything to run needs a command") {
    oci::Spec spec = planned_spec();
    spec.process.reset();
    CHECK(complaint(spec).find("process.args") != std::string::npos);
    replace_command(spec, {});
    CHECK_FALSE(spec.process);
    replace_command(spec, {"ls", "-l"});
    REQUIRE(spec.process);
    CHECK(spec.process->args == std::vector<std::string>{"ls", "-l"});
    CHECK(spec.process->cwd == "/");
}

TEST_CASE("a file system has its type, source, options and flags") {
    const MountStep step = step_for({.destination = "/a//b/",
                                     .type = "tmpfs",
                                     .source = "name",
                                     .options = {"nosuid", "size=1m", "sync", "ro", "silent"}});
    CHECK(step.kind == MountKind::Filesystem);
    CHECK(step.target == "/a/b");
    CHECK(step.source == "name");
    CHECK(step.origin == "/mounts/0");
    CHECK(step.attributes.set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY));
    CHECK(step.data == std::vector<std::string>{"size=1m", "sync", "ro"});
}

TEST_CASE("bind is said by an option or by the type") {
    CHECK(step_for(bind("/x")).kind == MountKind::Bind);
    CHECK_FALSE(step_for(bind("/x")).recursive);
    CHECK(step_for(bind("/x", {"rbind", "ro"})).recursive);
    const oci::Mount by_type{.destination = "x", .type = "bind", .source = "data"};
    const MountStep step = step_for(by_type);
    CHECK(step.kind == MountKind::Bind);
    CHECK(step.source == "data");
    CHECK(step.target == "/x");
}

TEST_CASE("each word of the specification is taken") {
    const char* const word = GENERATE(
        "async", "atime", "defaults", "dev", "diratime", "dirsync", "exec", "iversion", "lazytime",
        "loud", "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime",
        "norelatime", "nostrictatime", "nosuid", "private", "relatime", "ro", "rprivate", "rshared",
        "rslave", "runbindable", "rw", "shared", "silent", "slave", "strictatime", "suid", "sync",
        "unbindable", "mand", "nomand", "nosymfollow", "symfollow", "ratime", "rdev", "rdiratime",
        "rexec", "rnoatime", "rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid",
        "rrelatime", "rro", "rrw", "rstrictatime", "rsuid", "rsymfollow", "rnosymfollow", "rnodev",
        "idmap", "ridmap");
    const MountStep of_bind = step_for(bind("/x", {"bind", word}));
    CHECK(of_bind.data.empty());
    CHECK_NOTHROW(step_for(tmpfs("/x", {word})));
}

TEST_CASE("a remount sets all flags anew, and the file system's only without bind") {
    const MountStep mount = step_for(bind("/x", {"bind", "remount", "nodev"}));
    CHECK(mount.kind == MountKind::Remount);
    CHECK(mount.attributes.set == MOUNT_ATTR_NODEV);
    CHECK((mount.attributes.clear & MOUNT_ATTR_RDONLY) != 0);
    CHECK((mount.attributes.clear & MOUNT_ATTR_NODEV) == 0);
    CHECK(mount.data.empty());
    const MountStep whole = step_for(tmpfs("/x", {"remount", "size=1m", "ro"}));
    CHECK(whole.data == std::vector<std::string>{"size=1m", "ro"});
}

TEST_CASE("tmpcopyup is no option of the file system, which is writable until it is filled") {
    const MountStep step = step_for(tmpfs("/x", {"ro", "tmpcopyup", "size=1m"}));
    CHECK(step.copy_up);
    CHECK(step.data == std::vector<std::string>{"size=1m"});
    CHECK((step.attributes.set & MOUNT_ATTR_RDONLY) != 0);
    CHECK(!step_for(tmpfs("/x")).copy_up);
}

TEST_CASE("a mount that cannot be is refused with its number") {
    CHECK(complaint_about(bind("/x", {"bind", "tmpcopyup"})).find("tmpcopyup") !=
          std::string::npos);
    CHECK(complaint_about(tmpfs("/x", {"remount", "tmpcopyup"})).starts_with("/mounts/0"));
    CHECK(complaint_about(tmpfs("/x", {""})).starts_with("/mounts/0"));
    CHECK(complaint_about(tmpfs("/")).starts_with("/mounts/0"));
    CHECK(complaint_about(tmpfs("a/../..")).starts_with("/mounts/0"));
    CHECK(complaint_about(bind("/x", {"bind", "size=1"})).find("size=1") != std::string::npos);
    CHECK(complaint_about({.destination = "/x", .source = "t"}).find("type") != std::string::npos);
}

TEST_CASE("cgroup is version 2, and writable only in a namespace of its own") {
    oci::Spec spec = planned_spec();
    spec.mounts = {
        {.destination = "/sys/fs/cgroup", .type = "cgroup", .source = "cgroup", .options = {"rw"}}};
    MountStep step = mounts_from(spec, true).steps.at(0);
    CHECK(step.fstype == "cgroup2");
    CHECK((step.attributes.set & MOUNT_ATTR_RDONLY) != 0);
    CHECK((step.attributes.clear & MOUNT_ATTR_RDONLY) == 0);
    spec.linux->namespaces.push_back({.type = "cgroup", .path = "/proc/1/ns/cgroup"});
    CHECK((mounts_from(spec, true).steps.at(0).attributes.set & MOUNT_ATTR_RDONLY) != 0);
    spec.linux->namespaces.back().path.clear();
    step = mounts_from(spec, true).steps.at(0);
    CHECK((step.attributes.set & MOUNT_ATTR_RDONLY) == 0);
}

TEST_CASE("a read-only tmpfs with mounts in it is restricted when it is complete") {
    const auto remounts = [](const std::vector<oci::Mount>& mounts) {
        oci::Spec spec = planned_spec();
        spec.mounts = mounts;
        std::vector<std::string> targets;
        for (const MountStep& step : mounts_from(spec, true).steps) {
            if (step.kind != MountKind::Remount) continue;
            CHECK(step.attributes.set == MOUNT_ATTR_RDONLY);
            CHECK(step.attributes.clear == 0);
            targets.push_back(step.target);
        }
        return targets;
    };
    CHECK(remounts({tmpfs("/a", {"ro"}), tmpfs("/a/b")}) == std::vector<std::string>{"/a"});
    CHECK(remounts({tmpfs("/a", {"ro"}), tmpfs("/ab"), tmpfs("/b")}).empty());
    CHECK(remounts({tmpfs("/a/b"), tmpfs("/a", {"ro"})}).empty());
    CHECK(remounts({tmpfs("/a", {"ro"}), tmpfs("/a/b"), tmpfs("/a")}).empty());
    CHECK(remounts({tmpfs("/x/a", {"ro"}), tmpfs("/x/a/b"), tmpfs("/x")}).empty());
}

TEST_CASE("devices are made in the tmpfs that covers them, before anybody sees it") {
    oci::Spec spec = planned_spec();
    spec.mounts = {tmpfs("/dev", {"mode=755", "ro"}), tmpfs("/dev/shm")};
    spec.linux->devices = {
        {.path = "/dev/net/tun", .type = "c", .major = 10, .minor = 200, .file_mode = 0100600},
        {.path = "/dev/shm/pipe", .type = "p", .uid = 5, .gid = 6},
        {.path = "/dev/zero", .type = "u", .major = 1, .minor = 5, .file_mode = 0},
        {.path = "/dev/ptmx", .type = "c", .major = 5, .minor = 2},
    };
    const MountPlan plan = mounts_from(spec, true);
    REQUIRE(plan.steps.size() == 3);
    const MountStep& dev = plan.steps[0];
    CHECK(dev.data == std::vector<std::string>{"mode=755"});
    CHECK((dev.attributes.set & MOUNT_ATTR_RDONLY) == 0);
    CHECK(plan.steps[2].kind == MountKind::Remount);
    REQUIRE(entry(dev, "net/tun") != nullptr);
    CHECK(entry(dev, "net/tun")->mode == 0600);
    REQUIRE(entry(dev, "net") != nullptr);
    CHECK(entry(dev, "net")->kind == TreeEntry::Kind::Directory);
    CHECK(entry(dev, "net") < entry(dev, "net/tun"));
    CHECK(entry(dev, "zero")->mode == 0);
    CHECK(entry(dev, "ptmx")->kind == TreeEntry::Kind::Symlink);
    CHECK(entry(dev, "null")->minor == 3);
    REQUIRE(entry(plan.steps[1], "pipe") != nullptr);
    CHECK(entry(plan.steps[1], "pipe")->kind == TreeEntry::Kind::Fifo);
    CHECK(entry(plan.steps[1], "pipe")->gid == 6);
}

TEST_CASE("in a user namespace devices are bound, and must be what they are called") {
    oci::Spec spec = planned_spec();
    spec.mounts = {tmpfs("/dev")};
    spec.linux->devices = {{.path = "/dev/sda", .type = "b", .major = 8, .minor = 0}};
    const bool nested = GENERATE(true, false);
    if (!nested) spec.linux->namespaces.push_back({.type = "user"});
    const MountPlan plan = mounts_from(spec, !nested);
    const auto disk = std::find_if(plan.steps.begin(), plan.steps.end(),
                                   [](const MountStep& s) { return s.target == "/dev/sda"; });
    REQUIRE(disk != plan.steps.end());
    CHECK(disk->kind == MountKind::Bind);
    CHECK(disk->device == makedev(8, 0));
    CHECK(disk->device_format == S_IFBLK);
    CHECK(entry(plan.steps[0], "null") == nullptr);
    CHECK(entry(plan.steps[0], "fd") != nullptr);
}

TEST_CASE("a /dev of the host is taken as it is: nothing is made in it") {
    oci::Spec spec = planned_spec();
    const bool bound = GENERATE(true, false);
    spec.mounts = {{.destination = "/dev",
                    .type = bound ? "bind" : "devtmpfs",
                    .source = "/dev",
                    .options = {bound ? "rbind" : "rw"}}};
    spec.linux->devices = {{.path = "/dev/fuse", .type = "c", .major = 10, .minor = 229},
                           {.path = "/etc/null", .type = "c", .major = 1, .minor = 3}};
    const MountPlan plan = mounts_from(spec, true);
    REQUIRE(plan.steps.size() == 2);
    CHECK(plan.steps[1].kind == MountKind::Nodes);
    CHECK(plan.steps[1].target == "/etc");
}

TEST_CASE("a device that is none is refused") {
    oci::Spec spec = planned_spec();
    spec.linux->devices = {{.path = "/dev/x", .type = "q", .major = 1, .minor = 1}};
    CHECK(complaint(spec).find("/dev/x") != std::string::npos);
    spec.linux->devices = {{.path = "/dev/x", .type = "c", .major = -2, .minor = 1}};
    CHECK(complaint(spec).find("-2") != std::string::npos);
    spec.linux->devices = {{.path = "/dev/x", .type = "c", .major = 1, .minor = 1 << 20}};
    CHECK(complaint(spec).find("1048576") != std::string::npos);
}

TEST_CASE("protected paths come last, the root's own flags with the plan") {
    oci::Spec spec = planned_spec();
    spec.mounts = {tmpfs("/dev")};
    spec.root->readonly = true;
    spec.linux->masked_paths = {"/proc/keys"};
    spec.linux->readonly_paths = {"/proc/sys"};
    spec.linux->rootfs_propagation = "rslave";
    const MountPlan plan = mounts_from(spec, true);
    REQUIRE(plan.steps.size() == 3);
    CHECK(plan.steps[1].kind == MountKind::Mask);
    CHECK(plan.steps[2].kind == MountKind::ReadonlyPath);
    CHECK(plan.readonly_root);
    CHECK(plan.root_propagation == MS_SLAVE);
    CHECK(plan.recursive_root_propagation);
    spec.linux->rootfs_propagation = GENERATE("ro", "both", "slave,x");
    CHECK(complaint(spec).starts_with("/linux/rootfsPropagation"));
}

TEST_CASE("beyond names what a stage does not do, and only that") {
    oci::Spec spec = planned_spec();
    CHECK(beyond(spec, {}).empty());
    spec.process->terminal = true;
    spec.process->no_new_privileges = true;
    spec.process->capabilities.emplace();
    spec.linux->seccomp.emplace();
    spec.linux->uid_mappings = {{0, 1000, 1}};
    spec.mounts = {bind("/x", {"bind", "idmap"})};
    const auto all = beyond(spec, {});
    CHECK(all.size() == 6);
    CHECK(says(all, "process.terminal (chapter 07)"));
    CHECK(says(all, "linux.seccomp (chapter 08)"));
    CHECK(says(all, "mounts[0]"));
    const auto later = beyond(spec, {.init = true, .privileges = true, .id_mappings = true});
    CHECK(later.empty());
    spec.hooks.emplace();
    CHECK_FALSE(says(beyond(spec, {}), "hooks"));
    spec.hooks->poststop = {{.path = "/bin/true"}};
    CHECK(says(beyond(spec, {.init = true, .privileges = true, .id_mappings = true}), "hooks"));
}

TEST_CASE("beyond passes over the device list that every engine sends") {
    oci::Spec spec = planned_spec();
    spec.linux->resources.emplace();
    spec.linux->resources->devices = {{.allow = false, .access = "rwm"},
                                      {.allow = true, .type = "c", .major = 1, .minor = 3}};
    CHECK(beyond(spec, {}).empty());
    spec.linux->resources->devices.push_back({.allow = false, .type = "c", .major = 1, .minor = 3});
    CHECK(says(beyond(spec, {}), "devices"));
}

}  // namespace tenon::test
