// What the specification calls a container, in the words of the chapters before: which namespaces
// are new and which are joined, which group, which limits.
#include "tenon/bundle_plan.hpp"

#include <fmt/format.h>

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
    require_own_mounts(namespaces);
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
        "/linux/cgroupsPath: '{}' asks systemd for a unit, which comes in chapter 10: write a path "
        "of cgroupfs, such as /tenon/one",
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

BundlePlan plan_bundle(const oci::Spec& spec, bool in_initial_user_namespace) {
    if (!spec.process || spec.process->args.empty()) {
        throw std::invalid_argument(
            "config.json has no process.args, so there is nothing to run: write a command after "
            "--");
    }
    BundlePlan plan;
    plan.namespaces = namespaces_from(spec);
    plan.mounts = mounts_from(spec, in_initial_user_namespace);
    if (spec.linux) plan.cgroup = cgroup_from(*spec.linux);
    return plan;
}

}  // namespace tenon
