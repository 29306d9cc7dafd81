/// @file
/// Chapter 04: an OCI image layout: a folder with blobs by digest, and an index.
///
///     index.json --> manifest --> config (diff ids, command, environment)
///                             \-> layers (blobs)
///
/// Every step goes by digest, and what is read is checked against it before it is believed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"
#include "tenon/layer_diff.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

/// A reference to a blob. @see image-spec descriptor.md
struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;
};

/// What an image says of the containers made from it; the rest of its config is kept as text.
/// @see image-spec config.md
struct ImageConfig {
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
    std::vector<std::string> env;  ///< KEY=value
    std::string working_dir;
    std::string user;
    std::vector<Digest> diff_ids;  ///< the lowest layer first
    std::string text;              ///< the whole config, as it is in the image
};

/// An image, read and checked.
struct Image {
    Descriptor manifest;
    ImageConfig config;
    std::vector<Descriptor> layers;  ///< the lowest first, as many as config.diff_ids
};

/// An image layout on disk, or a docker-archive's folder's OCI twin: what skopeo and umoci write.
/// @see image-spec image-layout.md
class ImageLayout {
  public:
    /// @throws SysError  open image: ENOENT, ENOTDIR
    /// @throws std::runtime_error  no oci-layout file, or of another version
    static ImageLayout open(const std::filesystem::path& path);

    /// The image with that reference name; an empty one: the only image there is. From a nested
    /// index the image for this machine's architecture.
    /// @throws std::runtime_error  none, or several: says which there are; a blob that is missing,
    /// too
    ///         long, or of another digest; JSON that is none; a media type that is not supported
    [[nodiscard]] Image image(const std::string& reference) const;
    /// The blob, open, from its beginning; its content is not yet checked.
    [[nodiscard]] UniqueFd open_blob(const Digest& digest) const;

    /// Adds the layer in @p blob (a new_blob() of this layout that write_layer() filled) on top of
    /// @p base, and calls the result @p reference, which may be in use: it then names the new
    /// image. Nothing leads to the new blobs before all of them are there.
    /// @param created_by  for the image's history  @return the new manifest
    Descriptor append_layer(const Image& base, const WrittenLayer& layer, UnfinishedFile& blob,
                            const std::string& reference, const std::string& created_by);
    /// A new file for a blob that is being written. Removes those that somebody was killed over.
    UnfinishedFile new_blob();

  private:
    ImageLayout(UniqueFd directory, std::filesystem::path path)
        : directory_(std::move(directory)), path_(std::move(path)) {}
    UniqueFd directory_;
    std::filesystem::path path_;
};

}  // namespace tenon
