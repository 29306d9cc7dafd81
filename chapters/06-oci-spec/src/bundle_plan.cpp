// What the specification calls a container, in the words of the chapters before: which namespaces
// are new and which are joined, which group, which limits.
#include "tenon/bundle_plan.hpp"

#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/process_settings.hpp"

namespace tenon {

namespace {

Namespace kind_of(const oci::LinuxNamespace& ns) {
    const std::optional<Namespace> kind = namespace_from_name(ns.type);
    if (kind) return *kind;
    throw std::invalid_argument(
        fmt::format("/linux/namespaces: no namespace is called '{}'", ns.type));
}

// pivot_root and every mount would be the host's; and in a mount namespace of somebody else,
// theirs.
void require_own_mounts(const NamespaceOptions& namespaces) {
    if (namespaces.create.contains(Namespace::Mount)) return;
    const bool joins = joined_kinds(namespaces).contains(Namespace::Mount);
    throw std::invalid_argument(
        joins ? "/linux/namespaces: a mount namespace with a path: the root would be changed for "
                "everybody in it; leave out the path, and join other kinds"
              : "/linux/namespaces: there is no mount namespace, and the container's mounts would "
                "be the host's: add {\"type\": \"mount\"}");
}

// It is left for a copy, and entered again: that takes a right to it, which nobody has who is in a
// user namespace that is younger. setns(2), "Mount namespaces"
void require_right_to_return(const NamespaceOptions& namespaces) {
    if (!namespaces.create.contains(Namespace::User)) return;
    throw std::invalid_argument(
        "/linux/namespaces: a new user namespace has no right to a mount namespace of others: add "
        "{\"type\": \"mount\"}, without a path");
}

// The root is cloned when it is complete, and a clone leaves out what is unbindable.
void refuse_unbindable(const MountPlan& mounts) {
    const bool one_is = std::any_of(
        mounts.steps.begin(), mounts.steps.end(),
        [](const MountStep& step) { return step.attributes.propagation == MS_UNBINDABLE; });
    if (!one_is && mounts.root_propagation != MS_UNBINDABLE) return;
    throw std::invalid_argument(
        "unbindable and runbindable need a mount namespace of the container's own: leave them out, "
        "or add {\"type\": \"mount\"}, without a path, to /linux/namespaces");
}

// The mount namespace is none of those that the child is born in, or joins: it comes last.
std::optional<SharedMounts> take_shared_mounts(NamespaceOptions& namespaces) {
    if (namespaces.create.contains(Namespace::Mount)) return std::nullopt;
    SharedMounts shared;
    std::vector<NamespacePath>& joined = namespaces.join_paths;
    const auto mount = std::find_if(joined.begin(), joined.end(), [](const NamespacePath& each) {
        return each.kind == Namespace::Mount;
    });
    if (mount != joined.end()) {
        shared.path = mount->path;
        joined.erase(mount);
    }
    return shared;
}

void require_new_time(const NamespaceOptions& namespaces) {
    if (namespaces.clock_offsets.empty() || namespaces.create.contains(Namespace::Time)) return;
    throw std::invalid_argument(
        "/linux/timeOffsets: offsets are those of a new time namespace: add {\"type\": \"time\"}, "
        "without a path");
}

void require_own_uts(const oci::Spec& spec, const NamespaceOptions& namespaces) {
    if (spec.hostname.empty() && spec.domainname.empty()) return;
    if (namespaces.create.contains(Namespace::Uts)) return;
    if (joined_kinds(namespaces).contains(Namespace::Uts)) return;
    throw std::invalid_argument(fmt::format(
        "/{}: it would rename this machine: add {{\"type\": \"uts\"}} to /linux/namespaces",
        spec.hostname.empty() ? "domainname" : "hostname"));
}

void add_namespaces(const oci::Linux& config, NamespaceOptions& namespaces) {
    for (const oci::LinuxNamespace& ns : config.namespaces) {
        const Namespace kind = kind_of(ns);
        if (ns.path.empty()) {
            namespaces.create.insert(kind);
        } else {
            namespaces.join_paths.push_back({kind, ns.path});
        }
    }
    for (const auto& [clock, offset] : config.time_offsets) {
        namespaces.clock_offsets.push_back({clock, offset.secs, offset.nanosecs});
    }
}

NamespaceOptions namespaces_from(const oci::Spec& spec) {
    NamespaceOptions namespaces;
    if (spec.linux) add_namespaces(*spec.linux, namespaces);
    require_own_uts(spec, namespaces);
    require_new_time(namespaces);
    namespaces.hostname = spec.hostname;
    namespaces.domainname = spec.domainname;
    namespaces.command = spec.process->args;
    if (namespaces.create.contains(Namespace::User)) {
        namespaces.hard_limits = hard_limits_of(*spec.process);
    }
    return namespaces;
}

// systemd's own form of it, `slice:prefix:name`.
void refuse_systemd_path(const std::string& path) {
    if (std::count(path.begin(), path.end(), ':') != 2 || path.find('/') != std::string::npos) {
        return;
    }
    throw std::invalid_argument(fmt::format(
        "/linux/cgroupsPath: '{}' is a unit of systemd, for which tenon-oci (chapter 10) asks with "
        "--systemd-cgroup: write a path of cgroupfs here, such as /tenon/one",
        path));
}

CgroupOptions cgroup_from(const oci::Linux& config) {
    CgroupOptions cgroup;
    refuse_systemd_path(config.cgroups_path);
    if (!config.cgroups_path.empty()) {
        const std::string& path = config.cgroups_path;
        check_group_path(path.starts_with('/') ? path.substr(1) : path);
        cgroup.path = path;
        cgroup.make_above = true;
    }
    if (config.resources) cgroup.limits = limits_from(*config.resources);
    // Chapter 03 limits swap unasked, as docker's command line does. A config says it itself.
    cgroup.memory_and_swap = no_limit;
    return cgroup;
}

}  // namespace

BundlePlan plan_bundle(const oci::Spec& spec, bool in_initial_user_namespace,
                       OwnMounts own_mounts) {
    if (!spec.process || spec.process->args.empty()) {
        throw std::invalid_argument(
            "config.json has no process.args, so there is nothing to run: write a command after "
            "--");
    }
    BundlePlan plan;
    plan.namespaces = namespaces_from(spec);
    if (own_mounts == OwnMounts::Required) require_own_mounts(plan.namespaces);
    plan.mounts = mounts_from(spec, in_initial_user_namespace);
    plan.shared_mounts = take_shared_mounts(plan.namespaces);
    if (plan.shared_mounts) {
        require_right_to_return(plan.namespaces);
        refuse_unbindable(plan.mounts);
    }
    if (spec.linux) plan.cgroup = cgroup_from(*spec.linux);
    return plan;
}

}  // namespace tenon
