// What people type, and the config that it makes.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/privilege_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

using Names = std::vector<std::string>;

template <typename Body>
std::string complaint(const Body& body) {
    try {
        body();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

CapabilitySet set_of(const Names& names) {
    CapabilitySet set;
    for (const std::string& name : names) set.insert(capability_from(name).value());
    return set;
}

HostOffer everything() {
    HostOffer offer;
    offer.capabilities = CapabilitySet::up_to(CAP_LAST_CAP);
    offer.devices = {{.path = "/dev/null", .type = "c", .major = 1, .minor = 3},
                     {.path = "/dev/sda", .type = "b", .major = 8, .minor = 0}};
    return offer;
}

// The bounding set of a process without capabilities, after these options.
CapabilitySet bounding_with(const Names& add, const Names& drop) {
    PrivilegeOptions options;
    options.cap_add = add;
    options.cap_drop = drop;
    const oci::Process process = with_privileges(oci::Process{}, options, everything());
    const oci::Capabilities& sets = process.capabilities.value();
    CHECK(set_of(sets.effective) == set_of(sets.bounding));
    CHECK(set_of(sets.permitted) == set_of(sets.bounding));
    CHECK(sets.inheritable.empty());
    CHECK(sets.ambient.empty());
    return set_of(sets.bounding);
}

oci::Spec protected_spec() {
    oci::Spec spec;
    spec.process.emplace();
    spec.process->apparmor_profile = "some";
    spec.process->selinux_label = "system_u:system_r:container_t:s0:c1,c2";
    spec.process->no_new_privileges = true;
    spec.process->capabilities.emplace();
    spec.mounts = {
        {.destination = "/proc", .type = "proc", .source = "proc", .options = {"nosuid"}},
        {.destination = "/sys", .type = "sysfs", .source = "sysfs", .options = {"nosuid", "ro"}},
        {.destination = "/sys/fs/cgroup",
         .type = "cgroup",
         .source = "cgroup",
         .options = {"ro", "nosuid"}},
        {.destination = "/data", .type = "bind", .source = "/x", .options = {"rbind", "ro"}}};
    oci::Linux& linux = spec.linux.emplace();
    linux.masked_paths = {"/proc/kcore"};
    linux.readonly_paths = {"/proc/sys"};
    linux.mount_label = "system_u:object_r:container_file_t:s0";
    linux.seccomp.emplace().default_action = "SCMP_ACT_ERRNO";
    linux.devices = {{.path = "/dev/null", .type = "c", .major = 1, .minor = 3}};
    linux.namespaces = {{.type = "pid"}, {.type = "mount"}};
    return spec;
}

std::string refused_ids(std::string_view text) {
    return complaint([&] { parse_ids(text); });
}
std::string refused_word(std::string_view text) {
    return complaint([&] { parse_capability_word(text); });
}
std::string refused_option(std::string_view text) {
    PrivilegeOptions options;
    return complaint([&] { add_security_option(text, options); });
}
std::string refused_for(const oci::Spec& spec, const PrivilegeOptions& options) {
    return complaint([&] { with_privileges(spec, options, everything()); });
}
std::string refused_for(const oci::Process& process, const PrivilegeOptions& options) {
    return complaint([&] { with_privileges(process, options, everything()); });
}

}  // namespace

TEST_CASE("--user takes numbers") {
    CHECK(parse_ids("0") == RequestedUser{0, {}});
    CHECK(parse_ids("1000") == RequestedUser{1000, {}});
    CHECK(parse_ids("1000:100") == RequestedUser{1000, 100});
    CHECK(parse_ids("0:0") == RequestedUser{0, 0});
    CHECK(parse_ids("2147483647:2147483647") == RequestedUser{2147483647, 2147483647});
}

TEST_CASE("--user takes nothing that only looks like a number") {
    for (const char* text : {"",
                             ":",
                             "1:",
                             ":1",
                             "-1",
                             "1:-1",
                             "+1",
                             " 1",
                             "1 ",
                             "1:2:3",
                             "a",
                             "root",
                             "1a",
                             "a1",
                             "0x10",
                             "1e3",
                             "1.0",
                             "2147483648",
                             "4294967295",
                             "4294967296",
                             "18446744073709551616",
                             "1:2147483648",
                             "1:4294967296",
                             "1\n",
                             "1:\t2",
                             "\xd9\xa1"}) {
        INFO("'" << text << "'");
        const std::string said = refused_ids(text);
        CHECK(said.find("is no UID[:GID]") != std::string::npos);
        CHECK(said.find(text) != std::string::npos);
    }
    CHECK(refused_ids(std::string_view{"1\0", 2}) != "accepted");
}

TEST_CASE("a user without a group keeps the config's") {
    oci::Process process;
    process.user.uid = 5;
    process.user.gid = 6;
    process.user.additional_gids = {7};
    PrivilegeOptions options;
    options.user = parse_ids("1000");
    const oci::Process alone = with_privileges(process, options, everything());
    CHECK((alone.user.uid == 1000 && alone.user.gid == 6));
    options.user = parse_ids("1000:0");
    const oci::Process both = with_privileges(process, options, everything());
    CHECK((both.user.uid == 1000 && both.user.gid == 0));
    CHECK(both.user.additional_gids == std::vector<std::uint32_t>{7});
}

TEST_CASE("without options a process stays as it is") {
    const oci::Process process = with_privileges(oci::Process{}, {}, everything());
    CHECK_FALSE(process.capabilities.has_value());
    const oci::Spec spec = with_privileges(protected_spec(), {}, everything());
    CHECK(spec.linux->masked_paths == Names{"/proc/kcore"});
    CHECK(spec.linux->devices.size() == 1);
    CHECK(spec.linux->seccomp.has_value());
    CHECK(spec.process->no_new_privileges);
    CHECK(spec.mounts[1].options == Names{"nosuid", "ro"});
}

TEST_CASE("adding and dropping starts from Docker's fourteen, where a config has none") {
    const CapabilitySet fourteen = default_capabilities();
    CHECK(fourteen.members().size() == 14);
    CHECK(fourteen.bits() == 0xa80425fb);  // CapBnd of a container that Docker starts
    CHECK(bounding_with({"CAP_SYS_TIME"}, {}) == (fourteen | CapabilitySet{CAP_SYS_TIME}));
    CHECK(bounding_with({}, {"CAP_MKNOD"}) == (fourteen - CapabilitySet{CAP_MKNOD}));
    CHECK(bounding_with({}, {"ALL"}).empty());
    CHECK(bounding_with({"CAP_KILL"}, {"ALL"}) == CapabilitySet{CAP_KILL});
    const CapabilitySet all = CapabilitySet::up_to(CAP_LAST_CAP);
    CHECK(bounding_with({"ALL"}, {}) == all);
    CHECK(bounding_with({"ALL"}, {"CAP_SYS_ADMIN"}) == (all - CapabilitySet{CAP_SYS_ADMIN}));
    // Docker: what is dropped and added is there.
    CHECK(bounding_with({"CAP_MKNOD"}, {"CAP_MKNOD"}).contains(CAP_MKNOD));
}

TEST_CASE("adding and dropping changes the sets that a config lists") {
    oci::Process process;
    process.capabilities = oci::Capabilities{.bounding = {"CAP_KILL", "CAP_CHOWN"},
                                             .effective = {"CAP_KILL"},
                                             .inheritable = {"CAP_KILL", "CAP_CHOWN"},
                                             .permitted = {"CAP_KILL"},
                                             .ambient = {"CAP_KILL"}};
    PrivilegeOptions options;
    options.cap_add = {"CAP_BPF"};
    options.cap_drop = {"CAP_KILL"};
    const oci::Capabilities sets = *with_privileges(process, options, everything()).capabilities;
    CHECK(sets.bounding == Names{"CAP_CHOWN", "CAP_BPF"});
    CHECK(sets.effective == Names{"CAP_BPF"});
    CHECK(sets.permitted == Names{"CAP_BPF"});
    CHECK(sets.inheritable == Names{"CAP_CHOWN"});
    CHECK(sets.ambient.empty());
    options.cap_add.clear();
    options.cap_drop = {"ALL"};
    const oci::Capabilities none = *with_privileges(process, options, everything()).capabilities;
    CHECK((none.bounding.empty() && none.inheritable.empty() && none.ambient.empty()));
}

TEST_CASE("a capability is dropped however the config spells it") {
    oci::Process process;
    process.capabilities.emplace().bounding = {"cap_kill", "5", "CAP_CHOWN"};
    PrivilegeOptions options;
    options.cap_drop = {parse_capability_word("kill")};
    CHECK(with_privileges(process, options, everything()).capabilities->bounding ==
          Names{"CAP_CHOWN"});
}

TEST_CASE("a capability's word is read as the kernel and Docker spell it") {
    CHECK(parse_capability_word("net_admin") == "CAP_NET_ADMIN");
    CHECK(parse_capability_word("CAP_NET_ADMIN") == "CAP_NET_ADMIN");
    CHECK(parse_capability_word("12") == "CAP_NET_ADMIN");
    for (const char* all : {"ALL", "all", "All"}) CHECK(parse_capability_word(all) == "ALL");
    for (const char* none : {"", "ALLL", "AL", "CAP_ALL", "NET ADMIN", "64"}) {
        INFO(none);
        CHECK(refused_word(none).starts_with("no capability"));
    }
}

TEST_CASE("--security-opt reads what Docker reads") {
    PrivilegeOptions options;
    add_security_option("no-new-privileges", options);
    CHECK(options.no_new_privileges == true);
    add_security_option("no-new-privileges:false", options);
    CHECK(options.no_new_privileges == false);
    add_security_option("no-new-privileges=true", options);
    CHECK(options.no_new_privileges == true);
    add_security_option("seccomp=/a=b:c", options);
    CHECK(options.seccomp == "/a=b:c");
    add_security_option("apparmor=docker-default", options);
    CHECK(options.apparmor == "docker-default");
    add_security_option("label=level:s0:c1,c2", options);
    add_security_option("label:type:spc_t", options);
    CHECK(options.labels == Names{"level:s0:c1,c2", "type:spc_t"});
}

TEST_CASE("--security-opt refuses what it does not know") {
    for (const char* bad : {"", "=", "nonsense", "seccomp", "seccomp=", "apparmor=", "label",
                            "label=x", "label=user:", "no-new-privileges=maybe",
                            "no-new-privileges=", "systempaths=unconfined"}) {
        INFO(bad);
        CHECK(refused_option(bad) != "accepted");
    }
}

TEST_CASE("parts of a SELinux label are changed in their places") {
    PrivilegeOptions options;
    options.labels = {"type:spc_t", "level:s0:c7"};
    const oci::Spec changed = with_privileges(protected_spec(), options, everything());
    CHECK(changed.process->selinux_label == "system_u:system_r:spc_t:s0:c7");
    options.labels = {"user:a", "role:b"};
    CHECK(with_privileges(protected_spec(), options, everything()).process->selinux_label ==
          "a:b:container_t:s0:c1,c2");
    options.labels = {"disable"};
    const oci::Spec none = with_privileges(protected_spec(), options, everything());
    CHECK(none.process->selinux_label.empty());
    CHECK(none.linux->mount_label.empty());
    options.labels = {"type:t"};
    CHECK(refused_for(oci::Process{}, options).find("has no part to change") != std::string::npos);
}

TEST_CASE("--privileged lifts these and no others") {
    PrivilegeOptions options;
    options.privileged = true;
    const oci::Spec spec = with_privileges(protected_spec(), options, everything());
    const oci::Capabilities& sets = spec.process->capabilities.value();
    CHECK(set_of(sets.bounding) == CapabilitySet::up_to(CAP_LAST_CAP));
    CHECK(set_of(sets.effective) == set_of(sets.bounding));
    CHECK(sets.inheritable.empty());
    CHECK(sets.ambient.empty());
    CHECK(spec.process->apparmor_profile.empty());
    CHECK(spec.process->selinux_label.empty());
    CHECK(spec.linux->mount_label.empty());
    CHECK_FALSE(spec.linux->seccomp.has_value());
    CHECK(spec.linux->masked_paths.empty());
    CHECK(spec.linux->readonly_paths.empty());
    CHECK(spec.mounts[0].options == Names{"nosuid"});
    CHECK(spec.mounts[1].options == Names{"nosuid"});
    CHECK(spec.mounts[2].options == Names{"nosuid"});
    REQUIRE(spec.linux->devices.size() == 2);
    CHECK(spec.linux->devices[1].path == "/dev/sda");
    REQUIRE(spec.linux->resources->devices.size() == 1);
    CHECK(
        (spec.linux->resources->devices[0].allow && spec.linux->resources->devices[0].type == "a"));
    // What stays: a volume's ro, namespaces, no_new_privileges.
    CHECK(spec.mounts[3].options == Names{"rbind", "ro"});
    CHECK(spec.linux->namespaces.size() == 2);
    CHECK(spec.process->no_new_privileges);
}

TEST_CASE("options that contradict each other are refused") {
    PrivilegeOptions options;
    options.privileged = true;
    options.cap_drop = {"CAP_KILL"};
    CHECK(refused_for(protected_spec(), options).starts_with("--privileged and --cap-drop"));
    PrivilegeOptions both;
    both.cap_add = both.cap_drop = {"ALL"};
    CHECK(refused_for(protected_spec(), both).starts_with("--cap-add ALL and --cap-drop ALL"));
    CHECK(refused_for(oci::Spec{}, PrivilegeOptions{}) != "accepted");
}

TEST_CASE("a policy is taken, or put away") {
    PrivilegeOptions options;
    options.seccomp = "unconfined";
    CHECK_FALSE(
        with_privileges(protected_spec(), options, everything()).linux->seccomp.has_value());
    options.seccomp = "/some/file";
    HostOffer offer = everything();
    offer.seccomp.emplace().default_action = "SCMP_ACT_LOG";
    CHECK(with_privileges(protected_spec(), options, offer).linux->seccomp->default_action ==
          "SCMP_ACT_LOG");
}

TEST_CASE("the machine's devices are the nodes below /dev") {
    const UniqueFd dev = sys::openat(FdRef::working_directory(), "/dev", O_RDONLY | O_DIRECTORY);
    const std::vector<oci::Device> devices = devices_in(dev);
    const auto found = [&](std::string_view path) {
        return std::find_if(devices.begin(), devices.end(),
                            [&](const oci::Device& device) { return device.path == path; });
    };
    REQUIRE(found("/dev/null") != devices.end());
    CHECK(found("/dev/null")->major == 1);
    CHECK(found("/dev/null")->minor == 3);
    CHECK(found("/dev/null")->type == "c");
    CHECK(found("/dev/ptmx") == devices.end());
    CHECK(found("/dev/tty") == devices.end());
    for (const oci::Device& device : devices) {
        INFO(device.path);
        CHECK(device.path.find("/dev/pts/") == std::string::npos);
        struct stat status {};
        REQUIRE(::lstat(device.path.c_str(), &status) == 0);
        CHECK(static_cast<std::int64_t>(major(status.st_rdev)) == device.major);
    }
}

TEST_CASE("links below /dev are not followed, and folders are entered") {
    TENON_NEED(is_real_root(), "needs root: mknod");
    const TemporaryDirectory directory;
    std::filesystem::create_directory(directory.path() / "disk");
    std::filesystem::create_directory_symlink("/dev", directory.path() / "link");
    std::filesystem::create_symlink("/dev/null", directory.path() / "null");
    write_file(directory.path() / "file", "");
    const auto node = (directory.path() / "disk/one").string();
    REQUIRE(::mknod(node.c_str(), S_IFCHR | 0640, makedev(1, 3)) == 0);
    const UniqueFd dev =
        sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY | O_DIRECTORY);
    const std::vector<oci::Device> devices = devices_in(dev);
    REQUIRE(devices.size() == 1);
    CHECK(devices[0].path == "/dev/disk/one");
    CHECK(devices[0].file_mode == 0640U);
}

}  // namespace tenon::test
