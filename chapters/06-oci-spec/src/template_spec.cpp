// A config to start from. Its mounts and protected paths are not listed a second time: chapter 02
// says what every container has, and this says the same in the words of the specification. What a
// shell may do is what runc's own template gives it. runtime-spec config.md
#include <sys/mount.h>

#include <algorithm>
#include <array>

#include "tenon/mount_plan.hpp"
#include "tenon/oci_config.hpp"

namespace tenon::oci {

namespace {

struct AttributeWord {
    std::uint64_t attribute;
    const char* word;
    const char* recursive_word;
};

constexpr std::array attribute_words{
    AttributeWord{MOUNT_ATTR_NOSUID, "nosuid", "rnosuid"},
    AttributeWord{MOUNT_ATTR_NOEXEC, "noexec", "rnoexec"},
    AttributeWord{MOUNT_ATTR_NODEV, "nodev", "rnodev"},
    AttributeWord{MOUNT_ATTR_RDONLY, "ro", "rro"},
};

std::vector<std::string> option_words(const MountStep& step) {
    std::vector<std::string> words;
    if (step.kind == MountKind::Bind) words.emplace_back(step.recursive ? "rbind" : "bind");
    for (const auto& [attribute, word, recursive_word] : attribute_words) {
        if ((step.attributes.set & attribute) != 0) words.emplace_back(word);
        if ((step.attributes.recursive_set & attribute) != 0) words.emplace_back(recursive_word);
    }
    words.insert(words.end(), step.data.begin(), step.data.end());
    return words;
}

Mount mount_of(const MountStep& step) {
    const bool bind = step.kind == MountKind::Bind;
    return {.destination = step.target,
            .type = bind ? "none" : step.fstype,
            .source = bind ? step.source : step.fstype,
            .options = option_words(step)};
}

// Chapter 02's plan, told as mounts and paths. The devices that it binds one by one are those that
// every runtime supplies: config-linux.md, "Default Devices".
void tell_mounts(Spec& spec, const MountPlan& plan) {
    for (const MountStep& step : plan.steps) {
        switch (step.kind) {
            case MountKind::Mask: spec.linux->masked_paths.push_back(step.target); break;
            case MountKind::ReadonlyPath: spec.linux->readonly_paths.push_back(step.target); break;
            case MountKind::Bind:
            case MountKind::Filesystem:
                if (!step.device) spec.mounts.push_back(mount_of(step));
                break;
            case MountKind::Remount:
            case MountKind::Nodes: break;  // only a config asks for these
        }
    }
}

Process shell_process() {
    const std::vector<std::string> harmless{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
    Process process{.args = {"sh"},
                    .env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            "HOME=/root", "TERM=xterm"},
                    .cwd = "/",
                    .rlimits = {{.type = "RLIMIT_NOFILE", .hard = 1024, .soft = 1024}},
                    .no_new_privileges = true};
    process.capabilities =
        Capabilities{.bounding = harmless, .effective = harmless, .permitted = harmless};
    return process;
}

Spec shell_spec(const std::vector<std::string>& namespaces) {
    Spec spec{.oci_version = spec_version, .process = shell_process()};
    spec.root = Root{.path = "rootfs", .readonly = true};
    spec.hostname = "tenon";
    spec.linux.emplace();
    for (const std::string& type : namespaces) spec.linux->namespaces.push_back({.type = type});
    return spec;
}

}  // namespace

Spec template_spec() {
    Spec spec = shell_spec({"pid", "network", "ipc", "uts", "mount", "cgroup"});
    tell_mounts(spec, default_mount_plan(
                          {.created = {Namespace::Pid, Namespace::Net, Namespace::Ipc,
                                       Namespace::Uts, Namespace::Mount, Namespace::Cgroup}}));
    spec.mounts.push_back({.destination = "/sys/fs/cgroup",
                           .type = "cgroup",
                           .source = "cgroup",
                           .options = {"nosuid", "noexec", "nodev", "ro"}});
    spec.linux->resources.emplace().devices.push_back({.allow = false, .access = "rwm"});
    return spec;
}

Spec rootless_spec(std::uint32_t uid, std::uint32_t gid) {
    // Without a network namespace of its own: an ordinary user cannot connect one to anything.
    Spec spec = shell_spec({"pid", "ipc", "uts", "mount", "user"});
    tell_mounts(spec,
                default_mount_plan({.created = {Namespace::Pid, Namespace::Ipc, Namespace::Uts,
                                                Namespace::Mount, Namespace::User}}));
    spec.linux->uid_mappings = {{.container_id = 0, .host_id = uid, .size = 1}};
    spec.linux->gid_mappings = {{.container_id = 0, .host_id = gid, .size = 1}};
    return spec;
}

}  // namespace tenon::oci
