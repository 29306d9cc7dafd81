// An image around a container's life: its layers into the store, a snapshot on top of them, the
// overlay in the child's own mount namespace, and in the end a new image, or nothing at all.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "image_request.hpp"
#include "store_folders.hpp"
#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/hints.hpp"
#include "tenon/image_layout.hpp"
#include "tenon/image_options.hpp"
#include "tenon/layer_diff.hpp"
#include "tenon/layer_store.hpp"
#include "tenon/log.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/snapshots.hpp"
#include "tenon/trace.hpp"

namespace tenon {

struct ContainerImage::Prepared {
    ImageLayout layout;
    Image image;
    LayerStore store;
    EndingSignals signals;  // from before the snapshot is made until it is gone
    Snapshotter snapshots{store};
    std::string key;
    OverlayMount overlay;
    std::string commit_to;
    std::string command;  // for the image's history

    Prepared(ImageLayout from, Image read, LayerStore into)
        : layout(std::move(from)), image(std::move(read)), store(std::move(into)) {}
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    ~Prepared();
};

namespace {

// OVL_MAX_STACK in fs/overlayfs/params.h
constexpr std::size_t most_layers = 500;

const Log& standard_error() {
    static const Log log{FdRef{STDERR_FILENO}};
    return log;
}

std::string new_key() {
    std::random_device random;
    return fmt::format("run-{}-{:08x}", ::getpid(), random());
}

LayerStore open_store(const std::string& wanted) {
    if (!wanted.empty()) return LayerStore::open(wanted);
    const std::filesystem::path path = default_store();
    std::error_code refused;  // told by what follows: open layer store
    std::filesystem::create_directories(path.parent_path(), refused);
    return LayerStore::open(path);
}

// The kernel would say EPERM of the first whiteout, or EINVAL of the mount.
void refuse_overlay(const LayerStore& store) {
    if (sys::file_system_type(store.directory()) != OVERLAYFS_SUPER_MAGIC) return;
    throw std::runtime_error(fmt::format(
        "the layer store {} lies on an overlay itself, as inside a container, and changes cannot "
        "be kept there: name a folder on a volume or a tmpfs with --store",
        store.path().native()));
}

LayerStore open_swept_store(const std::string& wanted) {
    LayerStore store = open_store(wanted);
    refuse_overlay(store);
    const trace::Step step{4, "sweep the store", "who was killed by SIGKILL could not clean up"};
    store.sweep();
    Snapshotter{store}.sweep();
    return store;
}

Image read_image(const ImageLayout& layout, const std::string& reference) {
    Image image = layout.image(reference);
    if (image.layers.size() <= most_layers) return image;
    throw std::runtime_error(fmt::format(
        "the image has {} layers, and the kernel stacks at most {}: squash it into fewer",
        image.layers.size(), most_layers));
}

// As Docker and podman do: what is given takes the place of Cmd, and Entrypoint stays in front.
std::vector<std::string> command_of(const ImageConfig& config,
                                    const std::vector<std::string>& given) {
    const std::vector<std::string>& rest = given.empty() ? config.cmd : given;
    std::vector<std::string> command = config.entrypoint;
    command.insert(command.end(), rest.begin(), rest.end());
    if (!command.empty() && !command.front().empty()) return command;
    throw std::invalid_argument(
        "the image names no command: write one last, for example -- /bin/sh");
}

[[noreturn]] void refuse_no_command() {
    throw std::invalid_argument("no command: write it last, for example -- /bin/sh");
}

bool is_root(const std::string& user) {
    const std::string name = user.substr(0, user.find(':'));
    return name.empty() || name == "root" || name.find_first_not_of('0') == std::string::npos;
}

void warn_of_user(const std::string& user) {
    if (is_root(user)) return;
    standard_error().warning(fmt::format(
        "the image asks for the user {}, and the command runs as root: chapter 06 changes that",
        printable(user)));
}

// Ids that are not mapped here cannot be given to a file, and devices cannot be made.
ImportOptions import_options() {
    ImportOptions options;
    options.keep_owners = ::geteuid() == 0 && in_initial_user_namespace();
    return options;
}

void tell_left_out(const ImportReport& report) {
    std::string all;
    for (const std::string& what : report.left_out) all += (all.empty() ? "" : "; ") + what;
    if (!all.empty()) standard_error().warning("left out of the layer: " + all);
}

// Bottom up, each on top of those before.
std::optional<Digest> import_layers(LayerStore& store, const ImageLayout& layout,
                                    const Image& image) {
    std::optional<Digest> top;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
        const Descriptor& blob = image.layers[i];
        ImportReport report;
        const LayerSource source{.open = [&] { return layout.open_blob(blob.digest); },
                                 .blob = blob.digest,
                                 .blob_size = blob.size,
                                 .diff_id = image.config.diff_ids[i]};
        top = store.import(top, source, import_options(), &report).chain_id;
        tell_left_out(report);
    }
    return top;
}

// The overlay's marks are those of a user namespace, unless it is mounted in the first one.
bool needs_userxattr(const NamespaceOptions& namespaces) {
    return namespaces.create.contains(Namespace::User) || !in_initial_user_namespace();
}

// As mount_overlay() would, but before a gigabyte is unpacked.
void refuse_switches(const ImageOptions& options, bool userxattr) {
    if (!userxattr || !(options.metacopy || options.redirect_dir)) return;
    throw std::invalid_argument(
        "--metacopy and --redirect-dir need the first user namespace: in a container with its own, "
        "whoever writes to the folder of changes could name any file by them. Ask for the others "
        "by name: --mount --pid --net --ipc --uts");
}

void enter_working_directory(const std::string& path) {
    const trace::Step step{4, "enter the working directory",
                           "the image's words, so inside the root"};
    const UniqueFd root = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    try {
        sys::fchdir(make_target(root, path, TargetKind::Directory), path);
    } catch (const SysError& error) {
        throw SysError(error.error(), "working directory", path);
    }
}

void set_variable(std::vector<std::string>& environment, const std::string& entry) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    const auto same = std::find_if(environment.begin(), environment.end(),
                                   [&](const std::string& old) { return old.starts_with(name); });
    if (same == environment.end()) return environment.push_back(entry);
    *same = entry;
}

void prepare_snapshot(ContainerImage::Prepared& prepared, const std::optional<Digest>& top,
                      const ImageOptions& options, bool userxattr) {
    prepared.key = new_key();  // first: what is half made goes with the rest
    prepared.overlay = prepared.snapshots.prepare(prepared.key, top);
    prepared.overlay.userxattr = userxattr;
    prepared.overlay.volatile_upper = options.volatile_upper;
    prepared.overlay.metacopy = options.metacopy;
    prepared.overlay.redirect_dir = options.redirect_dir;
}

// Child side. What was opened before belongs to the parent's mounts, and can be no part of ours: so
// the store is looked up once more, in this mount namespace.
UniqueFd mount_snapshot(const ContainerImage::Prepared& prepared) {
    const UniqueFd store =
        sys::openat(FdRef::working_directory(), prepared.store.path(), O_PATH | O_DIRECTORY);
    OverlayMount overlay = prepared.overlay;
    overlay.directory = store;
    const UniqueFd target = sys::openat(store, "snapshots/" + prepared.key + "/mount",
                                        O_PATH | O_DIRECTORY | O_NOFOLLOW);
    return mount_overlay(overlay, target);
}

WrittenLayer add_to_layout(ContainerImage::Prepared& prepared) {
    UnfinishedFile blob = prepared.layout.new_blob();
    const UniqueFd changes = prepared.snapshots.changes(prepared.key);
    if (!prepared.overlay.userxattr) drop_copied_marks(changes);
    WrittenLayer layer = write_layer(changes, blob.file());
    prepared.layout.append_layer(prepared.image, layer, blob, prepared.commit_to, prepared.command);
    return layer;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

}  // namespace

ContainerImage::Prepared::~Prepared() {
    try {
        if (!key.empty()) snapshots.remove(key);
    } catch (const SysError& error) {
        // Another error, or a signal, may be on its way up: this one is told beside it.
        standard_error().warning(with_advice(error));
    } catch (const std::exception& error) {
        standard_error().warning(error.what());
    }
}

ContainerImage::ContainerImage(const ImageOptions& options, NamespaceOptions& namespaces,
                               RootfsOptions& rootfs)
    : rootfs_(rootfs.rootfs) {
    check_image_options(options, rootfs);
    if (options.image.empty()) {
        if (namespaces.command.empty()) refuse_no_command();
        return;
    }
    rootfs.rootfs = options.image;  // chapter 02 asks whether there is a root at all
    complete_namespaces(namespaces, rootfs);
    const bool userxattr = needs_userxattr(namespaces);
    refuse_switches(options, userxattr);
    const ImageName name = split_image_name(options.image);
    ImageLayout layout = ImageLayout::open(name.folder);
    Image image = read_image(layout, name.reference);
    namespaces.command = command_of(image.config, namespaces.command);
    warn_of_user(image.config.user);
    LayerStore store = open_swept_store(options.store);
    // Not yet with EndingSignals: Ctrl-C ends an import at once, and the next run sweeps it.
    const std::optional<Digest> top = import_layers(store, layout, image);
    prepared_ = std::make_unique<Prepared>(std::move(layout), std::move(image), std::move(store));
    prepared_->commit_to = options.commit_to;
    prepared_->command = joined(namespaces.command);
    prepare_snapshot(*prepared_, top, options, userxattr);
}

ContainerImage::~ContainerImage() = default;

void ContainerImage::enter(const MountPlan& plan) const {
    if (!prepared_) {
        if (!rootfs_.empty()) enter_rootfs(rootfs_, plan);
        return;
    }
    enter_root([&] { return mount_snapshot(*prepared_); }, plan);
    const std::string& folder = prepared_->image.config.working_dir;
    if (!folder.empty()) enter_working_directory(folder);
}

std::vector<std::string> ContainerImage::environment() const {
    std::vector<std::string> environment = container_environment();
    if (!prepared_) return environment;
    for (const std::string& entry : prepared_->image.config.env) set_variable(environment, entry);
    return environment;
}

void ContainerImage::commit(int exit_code) const {
    if (!prepared_ || prepared_->commit_to.empty()) return;
    if (exit_code != 0) {
        standard_error().warning(fmt::format("{} was not made: the command ended with {}",
                                             prepared_->commit_to, exit_code));
        return;
    }
    const trace::Step step{4, "make an image of the changes", "they are a layer like any other"};
    const WrittenLayer layer = add_to_layout(*prepared_);
    prepared_->snapshots.commit(prepared_->key, layer.diff_id);
    prepared_->key.clear();
}

}  // namespace tenon
