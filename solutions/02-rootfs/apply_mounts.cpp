// A mount is made complete while it is attached nowhere, with its options, contents and flags,
// and then appears in one step. mount(2) did it the other way round: attach first, restrict
// afterwards, by a path that is looked up anew each time.
#include "mount_steps.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Complete first, visible second.
void apply_mount(FdRef root, const MountStep& step) {
    const trace::Step telling{2, "add a mount", "made complete while detached, then attached"};
    const UniqueFd mount =
        step.copy_up ? create_copied_up(root, step) : create_detached_mount(step);
    attach_inside(root, mount, step);
}

void apply_step(FdRef root, const MountStep& step, Covers& covers) {
    switch (step.kind) {
        case MountKind::Filesystem:
        case MountKind::Bind: return apply_mount(root, step);
        case MountKind::Mask: return mask_path(root, step, covers);
        case MountKind::ReadonlyPath: return make_path_readonly(root, step);
        case MountKind::Remount: return change_mount(root, step);
        case MountKind::Nodes: return make_nodes(root, step);
    }
}

}  // namespace

UniqueFd create_detached_mount(const MountStep& step) {
    // BEGIN SOLUTION 02.3
    if (step.kind == MountKind::Bind) {
        UniqueFd tree = clone_source(step);
        set_attributes(tree, step.attributes, step.target);
        return tree;
    }
    const UniqueFd context = sys::fsopen(step.fstype);
    sys::fsconfig_string(context, "source", step.source.empty() ? step.fstype : step.source);
    configure_filesystem(context, step.data);
    sys::fsconfig_create(context, step.fstype);
    // Filled while still writable and unseen; only then restricted.
    UniqueFd mount = sys::fsmount(context, 0, step.fstype);
    fill_detached_mount(mount, step.contents);
    set_attributes(mount, step.attributes, step.target);
    return mount;
    // END SOLUTION
}

void apply_mounts(FdRef root, const MountPlan& plan) {
    Covers covers;
    for (const MountStep& step : plan.steps) {
        telling_origin(step, [&] { apply_step(root, step, covers); });
    }
}

}  // namespace tenon
