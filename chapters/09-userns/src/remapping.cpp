// Where the ids change, in the child: after everything is open that its maker may open, before
// anything is made that has an owner.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "tenon/log.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/remapping.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns.hpp"
#include "userns_spec.hpp"

namespace tenon {

namespace {

// Who `host_id` is inside; nothing: nobody.
std::optional<std::uint32_t> to_container(const std::vector<IdMap>& maps, std::uint32_t host_id) {
    for (const IdMap& map : maps) {
        if (host_id < map.host_id || host_id - map.host_id >= map.size) continue;
        return map.container_id + (host_id - map.host_id);
    }
    return std::nullopt;
}

// Who maps everybody to themselves wants no remapping, and knows it: chapters 01 to 08 do so.
bool changes_nobody(const std::vector<IdMap>& uids) {
    constexpr std::uint32_t all = 0xffffffff;
    return uids.size() == 1 && uids[0].container_id == uids[0].host_id && uids[0].size == all;
}

void tell_of_hosts_root(const std::vector<IdMap>& uids, const UsernsCaller& caller, Log log) {
    if (!caller.on_the_machine || changes_nobody(uids)) return;
    const std::optional<std::uint32_t> root = to_container(uids, 0);
    if (!root) return;
    log.warning(
        fmt::format("uid {} inside is the host's root: every file that the container sees of it is "
                    "theirs; map a range without 0",
                    *root));
}

void tell_of_strangers_root(const std::vector<IdMap>& uids, const UsernsCaller& caller, uid_t owner,
                            Log log) {
    if (to_container(uids, owner)) return;
    log.warning(
        fmt::format("the root of the bundle belongs to uid {}, which is nobody inside: {}", owner,
                    caller.privileged
                        ? "--idmap-rootfs shows it as the container's own, without a chown"
                        : "root inside may not write to it, whatever its modes are for the owner"));
}

// With the ids they went to the host's root. They come back, and with them the sight of us, only
// where nobody else is: whoever was in a pid namespace before us could read our memory and take our
// descriptors (CVE-2016-9962). prctl(2), PR_SET_DUMPABLE; proc_pid(5)
void own_files_in_proc() {
    const trace::Step step{9, "own our files in /proc",
                           "in a new pid namespace, nobody else looks"};
    sys::permit_inspection();
}

}  // namespace

Remapping::Remapping(UsernsOptions options, oci::Spec& spec,
                     const std::vector<std::string>& command)
    : options_(std::move(options)), caller_(read_userns_caller()) {
    changes_ = apply_userns_options(options_, caller_, spec);
    require_own_cgroup(spec, command);
}

void Remapping::prepare(const Bundle& bundle, BundlePlan& plan) {
    check_container_user(bundle.spec, caller_);
    use_mappings(bundle.spec, caller_, plan.namespaces);
    trees_ = prepare_trees(bundle, options_.idmap_rootfs, plan.mounts);
    tell(bundle);
}

void Remapping::tell(const Bundle& bundle) const {
    const Log log{FdRef{STDERR_FILENO}};
    for (const std::string& change : changes_) log.warning(printable(change));
    warn_of_beyond(bundle.spec, {.init = true, .privileges = true, .id_mappings = true});
    if (!has_new_user_namespace(bundle.spec)) return;
    const std::vector<IdMap> uids = mappings_of(bundle.spec).uids;
    tell_of_hosts_root(uids, caller_, log);
    if (options_.idmap_rootfs) return;
    tell_of_strangers_root(uids, caller_, sys::fstat(bundle.rootfs).st_uid, log);
}

RemappedBundle Remapping::enter_as_root(const Bundle& bundle, const BundlePlan& plan,
                                        const SyncSocket& to_parent) const {
    const trace::Step step{9, "open what our maker may open",
                           "the container's root may not enter the folders above"};
    RemappedBundle opened{.root = open_bundle_root(bundle, plan.mounts),
                          .opened = open_sources(plan.mounts)};
    if (trees_.root) opened.root.tree = sys::duplicate(*trees_.root);
    if (!plan.namespaces.create.contains(Namespace::User)) return opened;
    const bool alone = plan.namespaces.create.contains(Namespace::Pid);
    if (!alone) apply_oom_score_adj(*bundle.spec.process);
    enter_as_container_root(to_parent);
    if (alone) own_files_in_proc();
    return opened;
}

}  // namespace tenon
