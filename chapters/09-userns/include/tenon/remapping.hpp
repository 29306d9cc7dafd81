/// @file
/// Chapter 09, the whole: one container's ids, from the command line to its root.
///
///     parent  Remapping()        options and /etc/subuid become words of the config
///             prepare()          who writes the maps; trees that only the parent can make
///     child   enter_as_root()    what its maker may open, and then: root of the container
///             .. names, settings, the root changes, privileges ..
#pragma once

#include <string>
#include <vector>

#include "tenon/bundle_plan.hpp"
#include "tenon/idmapped_mounts.hpp"
#include "tenon/sync_socket.hpp"
#include "tenon/userns_options.hpp"

namespace tenon {

/// What enter_bundle_root() takes: opened by whoever started the container.
struct RemappedBundle {
    BundleRoot root;
    OpenedPlan opened;
};

/// The ids of one container.
class Remapping {
  public:
    /// Changes @p spec as apply_userns_options() does. @param command  the words of this command
    /// @throws as apply_userns_options() and require_own_cgroup()
    Remapping(UsernsOptions options, oci::Spec& spec, const std::vector<std::string>& command);

    /// Parent side, last of all that may be refused: then changes, and what no chapter does yet for
    /// the config, are told on standard error. @throws as check_container_user(), use_mappings()
    /// and prepare_trees()
    void prepare(const Bundle& bundle, BundlePlan& plan);

    /// Child side, first of all. The root and all bind sources are opened with the ids of whoever
    /// started us, whose folders may be closed to everybody else; then the child becomes the
    /// container's root, where the user namespace is new.
    [[nodiscard]] RemappedBundle enter_as_root(const Bundle& bundle, const BundlePlan& plan,
                                               const SyncSocket& to_parent) const;

  private:
    void tell(const Bundle& bundle) const;

    UsernsOptions options_;
    UsernsCaller caller_;
    std::vector<std::string> changes_;
    PreparedTrees trees_;
};

}  // namespace tenon
