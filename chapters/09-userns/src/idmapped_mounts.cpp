// A mount's map is that of a user namespace, and only whoever rules the file system may set it: for
// a disk, root of the machine. So the parent makes such trees, attached nowhere and locked, and the
// child, who has no right over the disk any more, attaches them.
#include "tenon/idmapped_mounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "locked_tree.hpp"
#include "tenon/error.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns.hpp"
#include "tenon/userns_options.hpp"
#include "userns_spec.hpp"

namespace tenon {

namespace {

bool has(const oci::Mount& mount, const char* word) {
    return std::find(mount.options.begin(), mount.options.end(), word) != mount.options.end();
}

bool wants_idmap(const oci::Mount& mount) {
    return has(mount, "idmap") || has(mount, "ridmap") || !mount.uid_mappings.empty() ||
           !mount.gid_mappings.empty();
}

[[noreturn]] void refuse(const std::string& origin, const std::string& why) {
    throw std::invalid_argument(fmt::format("{}: {}", origin, why));
}

IdmapRequest request_for(const oci::Mount& mount, const MountStep& step, bool has_user_namespace) {
    if (step.kind != MountKind::Bind) {
        refuse(step.origin, "id mapping is for bind mounts: a new file system has no owners yet");
    }
    IdmapRequest request{.recursive = has(mount, "ridmap"),
                         .mappings = {.uids = mount.uid_mappings, .gids = mount.gid_mappings}};
    if (!request.mappings.empty()) {
        check_id_map(request.mappings.uids, step.origin + "/uidMappings");
        check_id_map(request.mappings.gids, step.origin + "/gidMappings");
    } else if (!has_user_namespace) {
        refuse(step.origin,
               "idmap without maps means those of the container, and it has no user "
               "namespace: add uidMappings and gidMappings to the mount");
    }
    return request;
}

// The maps that `idmap` without maps means: the container's, new or joined.
UniqueFd container_namespace(const oci::Spec& spec) {
    const oci::LinuxNamespace* user = user_namespace_in(spec);
    if (user != nullptr && !user->path.empty()) {
        return std::move(open_namespace(Namespace::User, user->path).value().fd);
    }
    return make_user_namespace(mappings_of(spec));
}

IdmapTree tree_for(const MountStep& step, const IdmapRequest& request) {
    return {.source = step.source,
            .recursive = step.recursive,
            .map_all = request.recursive,
            .private_tree = step.attributes.propagation == 0};
}

}  // namespace

std::vector<IdmapRequest> idmap_requests(const oci::Spec& spec, const MountPlan& plan) {
    std::vector<IdmapRequest> requests;
    for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
        if (!wants_idmap(spec.mounts[i])) continue;
        const std::string origin = fmt::format("/mounts/{}", i);
        const auto step =
            std::find_if(plan.steps.begin(), plan.steps.end(),
                         [&](const MountStep& planned) { return planned.origin == origin; });
        if (step == plan.steps.end()) continue;
        requests.push_back(request_for(spec.mounts[i], *step, user_namespace_in(spec) != nullptr));
        requests.back().step = static_cast<std::size_t>(step - plan.steps.begin());
    }
    return requests;
}

UniqueFd clone_idmapped(FdRef directory, const IdmapTree& wanted, FdRef user_namespace) {
    const trace::Step step{9, "map a mount", "its files get other owners, in this one place"};
    try {
        UniqueFd tree = sys::open_tree_clone(directory, wanted.source, wanted.recursive);
        if (wanted.private_tree) {
            sys::mount_setattr(tree, {.propagation = MS_PRIVATE}, true, wanted.source);
        }
        sys::mount_setattr(tree, {.set = MOUNT_ATTR_IDMAP, .user_namespace = user_namespace},
                           wanted.map_all, wanted.source);
        return tree;
    } catch (const SysError& error) {
        // Without CAP_SYS_ADMIN even the clone is refused; that the path is wrong is another
        // matter.
        if (error.call() == "open_tree" && error.error() != EPERM) throw;
        throw SysError(error.error(), "idmap mount",
                       wanted.source.empty() ? "the root" : wanted.source);
    }
}

PreparedTrees prepare_trees(const Bundle& bundle, bool idmap_rootfs, MountPlan& plan) {
    const std::vector<IdmapRequest> requests = idmap_requests(bundle.spec, plan);
    PreparedTrees prepared;
    UniqueFd container;
    const auto containers = [&]() -> FdRef {
        if (!container.valid()) container = container_namespace(bundle.spec);
        return container;
    };
    if (idmap_rootfs) {
        if (user_namespace_in(bundle.spec) == nullptr) {
            refuse("--idmap-rootfs", "the container has no user namespace: add --userns-remap");
        }
        const UniqueFd tree = clone_idmapped(bundle.rootfs, {.recursive = true}, containers());
        prepared.root = lock_tree(tree, containers(), "the root");
    }
    for (const IdmapRequest& request : requests) {
        MountStep& step = plan.steps[request.step];
        const UniqueFd own =
            request.mappings.empty() ? UniqueFd{} : make_user_namespace(request.mappings);
        UniqueFd tree = clone_idmapped(bundle.directory, tree_for(step, request),
                                       own.valid() ? own.ref() : containers());
        const bool locks = user_namespace_in(bundle.spec) != nullptr;
        prepared.trees.push_back(locks ? lock_tree(tree, containers(), step.source)
                                       : std::move(tree));
        step.tree = prepared.trees.back().ref();
    }
    return prepared;
}

}  // namespace tenon
