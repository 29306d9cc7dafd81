// Most configs are written for root. What stands in an ordinary user's way is little: a mount
// option that names an unmapped id, a file system that shows a namespace which is not the
// container's.
#include "rootless_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace tenon {

namespace {

bool has_own(const oci::Spec& spec, const char* type) {
    const auto& all = spec.linux->namespaces;
    return std::any_of(all.begin(), all.end(),
                       [&](const oci::LinuxNamespace& ns) { return ns.type == type; });
}

// `gid=5` of devpts: EINVAL where 5 is nobody's.
bool names_unmapped_id(const std::string& option, const oci::Linux& config) {
    const bool group = option.starts_with("gid=");
    if (!group && !option.starts_with("uid=")) return false;
    const std::optional<std::uint64_t> id = parse_id_number(option.substr(4));
    const std::vector<IdMap>& maps = group ? config.gid_mappings : config.uid_mappings;
    return id && (*id >= most_ids || !to_host(maps, static_cast<std::uint32_t>(*id)));
}

void drop_unmapped_owners(oci::Spec& spec, std::vector<std::string>& told) {
    for (oci::Mount& mount : spec.mounts) {
        const auto gone = [&](const std::string& option) {
            if (!names_unmapped_id(option, *spec.linux)) return false;
            told.push_back(
                fmt::format("{}: without {}, which is not mapped", mount.destination, option));
            return true;
        };
        std::erase_if(mount.options, gone);
    }
}

// sysfs shows a network namespace, and may be mounted anew by the owner of that one only.
void bind_hosts_sysfs(oci::Spec& spec, std::vector<std::string>& told) {
    if (has_own(spec, "network")) return;
    for (oci::Mount& mount : spec.mounts) {
        if (mount.type != "sysfs") continue;
        mount.type = "none";
        mount.source = "/sys";
        mount.options = {"rbind", "rro", "rnosuid", "rnodev", "rnoexec"};
        told.push_back(fmt::format("{}: the host's, read-only, for the network is the host's",
                                   mount.destination));
    }
}

// A limit that would need a capability, and a score that may only be raised.
void drop_lower_oom_score(oci::Spec& spec, std::vector<std::string>& told) {
    if (!spec.process || spec.process->oom_score_adj.value_or(0) >= 0) return;
    spec.process->oom_score_adj.reset();
    told.emplace_back("process.oomScoreAdj: left as it is, for only root may lower it");
}

}  // namespace

IdMappings rootless_ids(Rootless mode, const UsernsCaller& caller) {
    OwnIds own = caller.own;
    if (mode == Rootless::Single) own.subuids.clear();
    if (mode == Rootless::Subids && (own.subuids.empty() || own.subgids.empty())) {
        throw std::invalid_argument(
            fmt::format("--rootless subids: {} grants nothing to uid {}: as root, usermod "
                        "--add-subuids 231072-296607 --add-subgids 231072-296607 USER; or do with "
                        "one id: --rootless single",
                        own.subuids.empty() ? subuid_file : subgid_file, own.uid));
    }
    return rootless_mappings(own);
}

std::vector<std::string> fit_to_user(oci::Spec& spec) {
    std::vector<std::string> told;
    drop_unmapped_owners(spec, told);
    bind_hosts_sysfs(spec, told);
    drop_lower_oom_score(spec, told);
    return told;
}

}  // namespace tenon
