// Options become config: what is planned afterwards does not know where it came from.
#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "tenon/privilege_options.hpp"

namespace tenon {

CapabilitySet default_capabilities() {
    return {CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,           CAP_FOWNER,
            CAP_MKNOD,   CAP_NET_RAW,      CAP_SETGID,           CAP_SETUID,
            CAP_SETFCAP, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
            CAP_KILL,    CAP_AUDIT_WRITE};
}

namespace {

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::vector<std::string> without(std::vector<std::string> names,
                                 const std::vector<std::string>& dropped) {
    std::erase_if(names, [&](const std::string& name) {
        const std::optional<Capability> number = capability_from(name);
        return has(dropped, number ? capability_name(*number) : name);
    });
    return names;
}

// Docker's rule: ALL on one side leaves the other side's list as the exceptions.
std::vector<std::string> tweaked(const std::vector<std::string>& names,
                                 const PrivilegeOptions& options, const CapabilitySet& all) {
    if (has(options.cap_add, "ALL")) return without(names_in(all), options.cap_drop);
    std::vector<std::string> result;
    if (!has(options.cap_drop, "ALL")) result = without(names, options.cap_drop);
    for (const std::string& word : options.cap_add) {
        if (!has(result, word)) result.push_back(word);
    }
    return result;
}

oci::Capabilities running_with(const std::vector<std::string>& names) {
    oci::Capabilities sets;
    sets.bounding = sets.effective = sets.permitted = names;
    return sets;
}

// Neither inheritable nor ambient is ever added to: what an unprivileged program would get by them,
// nobody asked for (CVE-2022-24769).
oci::Capabilities tweaked_sets(const oci::Capabilities& sets, const PrivilegeOptions& options,
                               const CapabilitySet& all) {
    const bool none_left = has(options.cap_drop, "ALL") && !has(options.cap_add, "ALL");
    const auto kept = [&](const std::vector<std::string>& names) {
        return none_left ? std::vector<std::string>{} : without(names, options.cap_drop);
    };
    return {.bounding = tweaked(sets.bounding, options, all),
            .effective = tweaked(sets.effective, options, all),
            .inheritable = kept(sets.inheritable),
            .permitted = tweaked(sets.permitted, options, all),
            .ambient = kept(sets.ambient)};
}

void change_capabilities(oci::Process& process, const PrivilegeOptions& options,
                         const CapabilitySet& all) {
    if (options.privileged) {
        process.capabilities = running_with(names_in(all));
    } else if (!options.cap_add.empty() || !options.cap_drop.empty()) {
        const oci::Capabilities base =
            process.capabilities.value_or(running_with(names_in(default_capabilities())));
        process.capabilities = tweaked_sets(base, options, all);
    }
}

// user:role:type:level, where the level may have colons of its own: the first three divide.
std::array<std::size_t, 3> colons_of(const std::string& label) {
    std::array<std::size_t, 3> colons{};
    std::size_t from = 0;
    for (std::size_t& colon : colons) {
        colon = label.find(':', from);
        if (colon == std::string::npos) {
            throw std::invalid_argument(fmt::format(
                "--security-opt label: process.selinuxLabel '{}' has no part to change: give "
                "config.json one of the form user:role:type:level",
                label));
        }
        from = colon + 1;
    }
    return colons;
}

std::string with_part(const std::string& label, std::string_view change) {
    constexpr std::array<std::string_view, 4> parts{"user:", "role:", "type:", "level:"};
    const auto colons = colons_of(label);
    std::array<std::string, 4> texts{
        label.substr(0, colons[0]), label.substr(colons[0] + 1, colons[1] - colons[0] - 1),
        label.substr(colons[1] + 1, colons[2] - colons[1] - 1), label.substr(colons[2] + 1)};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (change.starts_with(parts[i])) texts[i] = change.substr(parts[i].size());
    }
    return fmt::format("{}:{}:{}:{}", texts[0], texts[1], texts[2], texts[3]);
}

void change_labels(oci::Process& process, const PrivilegeOptions& options) {
    if (options.apparmor) process.apparmor_profile = *options.apparmor;
    for (const std::string& change : options.labels) {
        process.selinux_label =
            change == "disable" ? std::string{} : with_part(process.selinux_label, change);
    }
}

// A file system of the kernel's that is mounted read-only for the host's sake.
void make_writable(oci::Mount& mount) {
    if (mount.type != "sysfs" && mount.type != "cgroup" && mount.type != "cgroup2") return;
    std::erase_if(mount.options,
                  [](const std::string& option) { return option == "ro" || option == "rro"; });
}

void add_devices(oci::Linux& linux, const std::vector<oci::Device>& devices) {
    for (const oci::Device& device : devices) {
        const bool known = std::any_of(linux.devices.begin(), linux.devices.end(),
                                       [&](const oci::Device& d) { return d.path == device.path; });
        if (!known) linux.devices.push_back(device);
    }
}

// All that --privileged lifts besides capabilities. What it leaves: the namespaces, the root file
// system, the limits, and no_new_privileges.
void lift_protection(oci::Spec& spec, const HostOffer& offer) {
    oci::Linux& linux = *spec.linux;
    linux.seccomp.reset();
    linux.masked_paths.clear();
    linux.readonly_paths.clear();
    linux.mount_label.clear();
    for (oci::Mount& mount : spec.mounts) make_writable(mount);
    add_devices(linux, offer.devices);
    if (!linux.resources) linux.resources.emplace();
    linux.resources->devices = {
        {.allow = true, .type = "a", .major = {}, .minor = {}, .access = "rwm"}};
}

void refuse_contradictions(const PrivilegeOptions& options) {
    if (options.privileged && !options.cap_drop.empty()) {
        throw std::invalid_argument(
            "--privileged and --cap-drop contradict each other: to give all capabilities but some, "
            "use --cap-add ALL --cap-drop NAME");
    }
    if (has(options.cap_add, "ALL") && has(options.cap_drop, "ALL")) {
        throw std::invalid_argument("--cap-add ALL and --cap-drop ALL contradict each other");
    }
}

}  // namespace

oci::Process with_privileges(oci::Process process, const PrivilegeOptions& options,
                             const HostOffer& offer) {
    refuse_contradictions(options);
    if (options.user) {
        process.user.uid = options.user->uid;
        process.user.gid = options.user->gid.value_or(process.user.gid);
    }
    change_capabilities(process, options, offer.capabilities);
    if (options.privileged) {
        process.apparmor_profile.clear();
        process.selinux_label.clear();
    }
    change_labels(process, options);
    process.no_new_privileges = options.no_new_privileges.value_or(process.no_new_privileges);
    return process;
}

oci::Spec with_privileges(oci::Spec spec, const PrivilegeOptions& options, const HostOffer& offer) {
    if (!spec.process || !spec.linux) {
        throw std::invalid_argument("config.json has no process, or no linux: nothing to run");
    }
    spec.process = with_privileges(std::move(*spec.process), options, offer);
    if (options.privileged) lift_protection(spec, offer);
    if (has(options.labels, "disable")) spec.linux->mount_label.clear();
    if (options.seccomp == "unconfined") spec.linux->seccomp.reset();
    if (offer.seccomp) spec.linux->seccomp = offer.seccomp;
    return spec;
}

}  // namespace tenon
