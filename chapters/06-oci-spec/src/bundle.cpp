// A bundle is a folder by somebody we may not trust: what its config.json says of paths is looked
// up by the kernel, within the folder, and what was found once is what is used.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "plan_parts.hpp"
#include "spec_file.hpp"
#include "tenon/bundle_plan.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// With a slash at its end the kernel would follow a link. path_resolution(7)
std::string without_slashes(const std::string& path) {
    return path.substr(0, path.find_last_not_of('/') + 1);
}

// An absolute path is the user's own word, and may lie anywhere; only where it ends must be plain,
// or somebody who may write to the folder above decides what becomes the root.
UniqueFd open_absolute(const std::string& path) {
    const std::string plain = without_slashes(path);
    UniqueFd root = sys::openat2(FdRef::working_directory(), plain.empty() ? "/" : plain,
                                 O_PATH | O_NOFOLLOW, RESOLVE_NO_MAGICLINKS);
    const struct stat status = sys::fstat(root);
    if (S_ISLNK(status.st_mode)) throw SysError(ELOOP, "open rootfs", path);
    if (!S_ISDIR(status.st_mode)) throw SysError(ENOTDIR, "open rootfs", path);
    return root;
}

UniqueFd open_root(FdRef bundle, const std::string& path) {
    const trace::Step step{6, "open the root of the bundle", "not through a link that leads out"};
    try {
        if (path.starts_with('/')) return open_absolute(path);
        return sys::openat2(bundle, path, O_PATH | O_DIRECTORY,
                            RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    } catch (const SysError& error) {
        throw SysError(error.error(), "open rootfs", path + " (/root/path)");
    }
}

const std::string& root_path(const oci::Spec& spec) {
    if (!spec.root) {
        throw std::invalid_argument("config.json has no root: a container needs {\"path\": DIR}");
    }
    return spec.root->path;
}

// Another folder by that name: somebody exchanged it meanwhile.
void require_same_folder(FdRef now, FdRef before, const std::string& path) {
    const struct stat a = sys::fstat(now);
    const struct stat b = sys::fstat(before);
    if (a.st_dev != b.st_dev || a.st_ino != b.st_ino) throw SysError(ESTALE, "open rootfs", path);
}

// A slave hears of mounts that the host makes below the folder: so it has to be cloned while this
// namespace is still connected with the host's. mount_namespaces(7), "MS_SLAVE"
UniqueFd clone_connected(FdRef root, const MountPlan& mounts) {
    UniqueFd tree = sys::open_tree_clone(root, "", true);
    const std::uint64_t wanted = mounts.root_propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
    sys::mount_setattr(tree, {.propagation = wanted}, true, "the root");
    return tree;
}

bool is_option_of_cgroup2(const std::string& word) {
    return !parse_mount_options(word).data.empty();
}

// A new instance of cgroup2 that is mounted from the host's own cgroup namespace takes its options
// for the whole hierarchy: without `nsdelegate` among them, the host would lose it. So what the
// container is to see of the host's groups is a bind of the host's mount. cgroup-v2.rst, "Mounting"
void bind_hosts_cgroups(oci::Spec& spec) {
    if (lists(spec, Namespace::Cgroup)) return;
    for (oci::Mount& mount : spec.mounts) {
        if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
        mount.type = "bind";
        mount.source = open_cgroup_hierarchy().mount_point;
        std::erase_if(mount.options, is_option_of_cgroup2);
        mount.options.insert(mount.options.end(), {"rbind", "rro"});
    }
}

// What our caller names is his to choose: a pipe, too.
std::string config_of(FdRef bundle, const std::string& config_file) {
    if (config_file.empty()) return oci::read_config(bundle);
    const UniqueFd file = sys::openat(FdRef::working_directory(), config_file, O_RDONLY | O_NOCTTY);
    return oci::read_document(file, config_file);
}

}  // namespace

Bundle open_bundle(const std::string& path, const std::string& config_file) {
    const trace::Step step{6, "open the bundle", "a folder: config.json, and what it speaks of"};
    Bundle bundle{.spec = {},
                  .directory = oci::open_bundle_folder(path),
                  .rootfs = {},
                  .path = path,
                  .config = {}};
    bundle.config = config_of(bundle.directory, config_file);
    bundle.spec = oci::spec_from(bundle.config);
    check_sysctls(bundle.spec);
    bind_hosts_cgroups(bundle.spec);
    bundle.rootfs = open_root(bundle.directory, root_path(bundle.spec));
    return bundle;
}

void replace_command(oci::Spec& spec, const std::vector<std::string>& command) {
    if (command.empty()) return;
    if (!spec.process) spec.process = oci::Process{.cwd = "/"};
    spec.process->args = command;
}

BundleRoot open_bundle_root(const Bundle& bundle, const MountPlan& mounts) {
    const UniqueFd directory = oci::open_bundle_folder(bundle.path);
    UniqueFd place = open_root(directory, root_path(bundle.spec));
    require_same_folder(place, bundle.rootfs, root_path(bundle.spec));
    sys::fchdir(directory, bundle.path);
    UniqueFd tree = clone_connected(place, mounts);
    return {.place = std::move(place), .tree = std::move(tree)};
}

UniqueFd prepare_bundle_root(const BundleRoot& root, const MountPlan& mounts) {
    const auto attach = [&] {
        const trace::Step step{6, "give the root a mount of its own",
                               "pivot_root takes nothing but a mount point"};
        sys::move_mount(root.tree, root.place, "the root");
        return sys::duplicate(root.tree);
    };
    return prepare_root(attach, mounts);
}

void enter_bundle_root(const BundleRoot& root, const MountPlan& mounts) {
    change_root(prepare_bundle_root(root, mounts), mounts);
}

void enter_bundle(const Bundle& bundle, const MountPlan& mounts) {
    enter_bundle_root(open_bundle_root(bundle, mounts), mounts);
}

}  // namespace tenon
