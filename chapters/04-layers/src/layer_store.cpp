// Layers by chain id: imported once, whoever asks for them and however many at a time.
#include "tenon/layer_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "store_folders.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/snapshots.hpp"
#include "tenon/todo.hpp"
#include "tenon/trace.hpp"
#include "tree_removal.hpp"

namespace tenon {

namespace {

constexpr std::array folders{"layers", "chains", "snapshots", "imports", "trash"};
constexpr std::string_view lock_suffix = ".lock";

std::string short_of(const Digest& digest) {
    return digest.text().substr(0, sizeof("sha256:") - 1 + 12);
}

UniqueFd open_store(const std::filesystem::path& path) {
    const FdRef here = FdRef::working_directory();
    make_folder_if_missing(here, path, 0700);
    return sys::openat(here, path, O_RDONLY | O_DIRECTORY);
}

// Whoever may write to a store decides what root's containers run.
void refuse_strangers_store(FdRef store, const std::filesystem::path& path) {
    const uid_t owner = sys::fstat(store).st_uid;
    if (owner == ::geteuid()) return;
    throw std::runtime_error(fmt::format(
        "the layer store {} belongs to uid {}, not to you (uid {}): name another with --store",
        path.native(), owner, ::geteuid()));
}

// What is there already may be somebody else's, where the store is a folder like /tmp.
void make_store_folder(FdRef store, const std::filesystem::path& path, const char* name,
                       mode_t mode) {
    make_folder_if_missing(store, name, mode);
    refuse_strangers_store(open_folder(store, name), path / name);
}

void make_store_folders(FdRef store, const std::filesystem::path& path) {
    for (const char* const name : folders) make_store_folder(store, path, name, 0700);
    make_store_folder(store, path, "empty", 0755);
}

std::optional<std::string> number_of(FdRef store, const Digest& chain) {
    const UniqueFd chains = open_folder(store, "chains");
    if (!sys::fstatat_if_present(chains, chain.hex)) return std::nullopt;
    return sys::readlinkat(chains, chain.hex);
}

UniqueFd open_layer(FdRef store, const std::string& number) {
    return open_folder(store, fmt::format("layers/{}", number));
}

[[noreturn]] void refuse_missing(const Digest& chain) {
    throw std::runtime_error(fmt::format("the store has no layer {}", short_of(chain)));
}

UniqueFd open_top(const LayerStore& store, const Digest& chain) {
    const std::optional<Layer> layer = store.find(chain);
    if (!layer) refuse_missing(chain);
    return open_folder(store.directory(), layer->dir);
}

LayerStack stack_of(const LayerStore& store, const std::optional<Digest>& top) {
    std::vector<UniqueFd> opened;
    if (!top) return LayerStack{};
    for (const Layer& layer : store.chain(*top)) {
        opened.push_back(open_folder(store.directory(), layer.dir));
    }
    return LayerStack{std::move(opened)};
}

// The right to import one layer. Ends with its folder in the trash, unless that became the layer.
class ImportFolder {
  public:
    ImportFolder(const LayerStore& store, const Digest& chain)
        : hex_(chain.hex),
          imports_(open_folder(store.directory(), "imports")),
          lock_(FileLock::wait(imports_, lock_name())) {}
    ImportFolder(const ImportFolder&) = delete;
    ImportFolder& operator=(const ImportFolder&) = delete;
    ~ImportFolder() {
        try {
            discard();
            sys::unlinkat(imports_, lock_name(), 0);  // before it is let go
        } catch (const std::exception&) {
            // What stays is swept by the next import; an error is on its way up already.
        }
    }

    [[nodiscard]] std::string path() const { return "imports/" + hex_; }

    // A new folder with the attributes of `below`, if any; what a killed process left is gone.
    UniqueFd make(const std::optional<UniqueFd>& below) {
        discard();
        make_folder(imports_, hex_, 0755);
        if (below) copy_folder_attributes(*below, imports_, hex_);
        return open_folder(imports_, hex_);
    }

  private:
    [[nodiscard]] std::string lock_name() const { return hex_ + std::string{lock_suffix}; }
    void discard() const {
        if (sys::fstatat_if_present(imports_, hex_)) remove_tree(imports_, hex_);
    }

    std::string hex_;
    UniqueFd imports_;
    FileLock lock_;
};

void require(const Digest& wanted, const Digest& got, const char* what) {
    if (wanted == got) return;
    throw std::runtime_error(
        fmt::format("{} is {}, but {} was announced", what, got.text(), wanted.text()));
}

void check_report(const LayerSource& source, const ImportReport& report) {
    if (report.blob_size != source.blob_size) {
        throw std::runtime_error(fmt::format("the blob has {} bytes, but {} were announced",
                                             report.blob_size, source.blob_size));
    }
    require(source.blob, report.blob, "the digest of the blob");
    require(source.diff_id, report.diff_id, "the digest of the archive in it");
}

// Cheap to see beforehand: whoever cut it short, or sent something endless, is told before all is
// unpacked.
void check_size(FdRef blob, std::uint64_t announced) {
    const struct stat status = sys::fstat(blob);
    if (!S_ISREG(status.st_mode)) throw std::runtime_error("the blob is no plain file");
    if (static_cast<std::uint64_t>(status.st_size) == announced) return;
    throw std::runtime_error(
        fmt::format("the blob has {} bytes, but {} were announced", status.st_size, announced));
}

ImportReport unpack(const LayerStore& store, ImportFolder& import,
                    const std::optional<Digest>& parent, const LayerSource& source,
                    const ImportOptions& options) {
    const UniqueFd blob = source.open();
    check_size(blob, source.blob_size);
    std::optional<UniqueFd> top;
    if (parent) top = open_top(store, *parent);
    const UniqueFd folder = import.make(top);
    ImportReport report = import_layer(blob, folder, stack_of(store, parent), options);
    check_report(source, report);
    return report;
}

// Says which layer it was, without hiding what kind of error.
template <typename Body>
auto about_layer(const Digest& blob, const Body& body) {
    try {
        return body();
    } catch (const SysError&) {
        throw;
    } catch (const NotImplemented&) {
        throw;
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("layer {}: {}", short_of(blob), error.what()));
    }
}

// Why a layer cannot be removed; empty when it can.
std::string user_of(const LayerStore& store, const Digest& chain) {
    for (const std::string& number : linked_layers(store.directory())) {
        const UniqueFd layer = open_layer(store.directory(), number);
        if (read_digest(layer, "parent") == chain) return "the layer above it, " + number;
    }
    for (const SnapshotInfo& snapshot : Snapshotter{store}.list()) {
        if (snapshot.parent == chain) return "the snapshot " + snapshot.key;
    }
    return {};
}

void trash_unlinked_layers(const LayerStore& store) {
    const std::vector<std::string> linked = linked_layers(store.directory());
    for (const std::string& name : sys::names_in(open_folder(store.directory(), "layers"))) {
        if (std::binary_search(linked.begin(), linked.end(), name)) continue;
        move_to_trash(store, "layers/" + name);
    }
}

void trash_dead_imports(const LayerStore& store) {
    const UniqueFd imports = open_folder(store.directory(), "imports");
    for (const std::string& name : sys::names_in(imports)) {
        if (!name.ends_with(lock_suffix)) continue;
        const std::optional<FileLock> lock = FileLock::try_now(imports, name);
        if (!lock) continue;  // somebody who lives is at it
        const std::string hex = name.substr(0, name.size() - lock_suffix.size());
        if (sys::fstatat_if_present(imports, hex)) move_to_trash(store, "imports/" + hex);
        sys::unlinkat(imports, name, 0);
    }
}

}  // namespace

LayerStore LayerStore::open(const std::filesystem::path& path) {
    const trace::Step step{4, "open the layer store", "each layer is unpacked once, for everybody"};
    try {
        UniqueFd directory = open_store(path);
        refuse_strangers_store(directory, path);
        make_store_folders(directory, path);
        return LayerStore{std::move(directory), path};
    } catch (const SysError& error) {
        throw SysError(error.error(), "open layer store", path.native());
    }
}

std::optional<Layer> LayerStore::find(const Digest& chain_id) const {
    const std::optional<std::string> number = number_of(directory_, chain_id);
    if (!number) return std::nullopt;
    const std::optional<Digest> diff = read_digest(open_layer(directory_, *number), "diff_id");
    if (!diff) return std::nullopt;
    return Layer{*diff, chain_id, fmt::format("layers/{}/fs", *number)};
}

std::vector<Layer> LayerStore::chain(const Digest& top) const {
    std::vector<Layer> layers;
    for (std::optional<Digest> next = top; next;) {
        const std::optional<Layer> layer = find(*next);
        if (!layer) refuse_missing(*next);
        layers.push_back(*layer);
        next = read_digest(open_layer(directory_, *number_of(directory_, *next)), "parent");
    }
    return layers;
}

Layer LayerStore::import(const std::optional<Digest>& parent, const LayerSource& source,
                         const ImportOptions& options, ImportReport* report) {
    const Digest wanted = tenon::chain_id(parent, source.diff_id);
    if (std::optional<Layer> here = find(wanted)) return *here;
    const trace::Step step{4, "unpack a layer",
                           "into a folder that nobody sees before it is whole"};
    ImportFolder import(*this, wanted);
    if (std::optional<Layer> meanwhile = find(wanted)) return *meanwhile;
    ImportReport unpacked =
        about_layer(source.blob, [&] { return unpack(*this, import, parent, source, options); });
    const FileLock guard = lock_store(*this);
    if (parent && !find(*parent)) refuse_missing(*parent);  // removed under our feet
    Layer layer = adopt_layer(*this, parent, source.diff_id, import.path());
    if (report != nullptr) *report = std::move(unpacked);
    return layer;
}

void LayerStore::remove(const Digest& chain_id) {
    {
        const FileLock guard = lock_store(*this);
        const std::optional<std::string> number = number_of(directory_, chain_id);
        if (!number) return;
        const std::string user = user_of(*this, chain_id);
        if (!user.empty()) {
            throw std::runtime_error(
                fmt::format("the layer {} is in use by {}", short_of(chain_id), user));
        }
        sys::unlinkat(open_folder(directory_, "chains"), chain_id.hex, 0);
        move_to_trash(*this, "layers/" + *number);
    }
    empty_trash(*this);
}

void LayerStore::sweep() const {
    {
        const FileLock guard = lock_store(*this);
        trash_dead_imports(*this);
        trash_unlinked_layers(*this);
    }
    empty_trash(*this);
}

std::filesystem::path default_store() {
    if (::geteuid() == 0) return "/var/lib/tenon";
    const char* const data = std::getenv("XDG_DATA_HOME");
    if (data != nullptr && data[0] == '/') return std::filesystem::path{data} / "tenon";
    const char* const home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/') {
        throw std::runtime_error("where to keep layers is not known without HOME: add --store DIR");
    }
    return std::filesystem::path{home} / ".local/share/tenon";
}

}  // namespace tenon
