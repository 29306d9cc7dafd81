/// @file
/// Chapter 04: unpacked layers, each once, for all containers.
///
///     STORE/layers/7/{fs,diff_id,parent}
///                                  an unpacked layer. Short names: see OverlayMount::directory
///     STORE/chains/HEX -> 7        which layer has this chain id; appears last, so that what it
///                                  leads to is complete
///     STORE/imports/HEX, HEX.lock  a layer that is being unpacked, locked by who does it
///     STORE/snapshots/KEY/{fs,work,mount,lock,parent}
///                                  a container's own folder; snapshots.hpp
///     STORE/empty/                 the lowest layer of whatever has none
///     STORE/trash/                 what is gone, but not deleted yet
///     STORE/lock                   held while the above changes
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"
#include "tenon/layer_import.hpp"

namespace tenon {

/// An unpacked layer.
struct Layer {
    Digest diff_id;
    Digest chain_id;
    std::string dir;  ///< relative to LayerStore::directory(): layers/7/fs
};

/// What an archive must turn out to be.
struct LayerSource {
    std::function<UniqueFd()> open;  ///< the archive, from its beginning
    Digest blob;
    std::uint64_t blob_size = 0;
    Digest diff_id;
};

/// A folder of layers. Safe for several processes at once.
class LayerStore {
  public:
    /// Makes what is missing. @throws SysError  open layer store: ENOENT (its parent), EACCES,
    /// ENOTDIR
    /// @throws std::runtime_error  it belongs to somebody else
    static LayerStore open(const std::filesystem::path& path);

    /// The layer with that chain id, if it is here.
    [[nodiscard]] std::optional<Layer> find(const Digest& chain_id) const;
    /// @p top and all layers below it, the topmost first. @throws std::runtime_error  one is
    /// missing
    [[nodiscard]] std::vector<Layer> chain(const Digest& top) const;

    /// Unpacks @p source on top of @p parent, unless it is here already. All or nothing: what is
    /// killed in the middle leaves a folder that nothing leads to, and sweep() removes it. Of
    /// several processes that import the same layer one does, and the others wait for it.
    /// @param report  filled in when it was unpacked
    /// @throws std::runtime_error  another digest, size or diff id than announced; see import_layer
    Layer import(const std::optional<Digest>& parent, const LayerSource& source,
                 const ImportOptions& options, ImportReport* report = nullptr);

    /// Removes what imports left that were killed. @throws SysError
    void sweep() const;

    /// Removes a layer that no other stands on and no snapshot uses.
    /// @throws std::runtime_error  in use: says by what
    void remove(const Digest& chain_id);

    [[nodiscard]] FdRef directory() const { return directory_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    LayerStore(UniqueFd directory, std::filesystem::path path)
        : directory_(std::move(directory)), path_(std::move(path)) {}
    UniqueFd directory_;
    std::filesystem::path path_;
};

/// Where layers are kept unless somebody says otherwise: /var/lib/tenon for root, else
/// $XDG_DATA_HOME/tenon or ~/.local/share/tenon.
std::filesystem::path default_store();

}  // namespace tenon
