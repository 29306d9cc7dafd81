// From a name to an image, step by step by digest: each document is measured against the descriptor
// that led to it before a word of it is believed.
#include "tenon/image_layout.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <stdexcept>

#include "blob_files.hpp"
#include "image_json.hpp"
#include "tenon/error.hpp"
#include "tenon/log.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr int deepest_index = 4;

template <typename... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> words, Parts&&... parts) {
    throw std::runtime_error(fmt::format(words, std::forward<Parts>(parts)...));
}

// What a document says wrong is told with the image it is in.
template <typename Body>
auto in_image(const std::filesystem::path& path, const Body& body) {
    try {
        return body();
    } catch (const SysError&) {
        throw;
    } catch (const std::exception& error) {
        refuse("image {}: {}", printable(path.native()), error.what());
    }
}

std::string read_blob(FdRef directory, const Descriptor& descriptor) {
    const std::string name = descriptor.digest.text();
    if (descriptor.size > longest_document) {
        refuse("{} is said to have {} bytes: more than a document may", name, descriptor.size);
    }
    std::string text = read_document(open_blob_file(directory, descriptor.digest), name);
    if (text.size() != descriptor.size) {
        refuse("{} has {} bytes, but {} were announced", name, text.size(), descriptor.size);
    }
    const Digest digest = sha256(text);
    if (digest != descriptor.digest) refuse("{} is damaged: its digest is {}", name, digest.text());
    return text;
}

std::string name_of(const JsonValue& entry) {
    return entry.is_object() ? text_at(object_at(entry, "annotations"), reference_key) : "";
}

std::string names_in_index(const JsonValue& manifests) {
    std::string names;
    for (const JsonValue& entry : manifests) {
        const std::string name = name_of(entry);
        names += (names.empty() ? "" : ", ") + (name.empty() ? "one without a name" : name);
    }
    return names.empty() ? "none" : printable(names);
}

// An empty reference means "the only one there is".
JsonValue choose_reference(const JsonValue& index, const std::string& reference) {
    const JsonValue& manifests = array_at(index, "manifests");
    JsonValue found = JsonValue::array();
    for (const JsonValue& entry : manifests) {
        if (reference.empty() || name_of(entry) == reference) found.push_back(entry);
    }
    if (found.size() == 1) return found.front();
    if (found.empty() && !reference.empty()) {
        refuse("no image is called '{}'; there is: {}", printable(reference),
               names_in_index(manifests));
    }
    if (found.empty()) refuse("it has no image");
    if (!reference.empty()) return choose_platform(found);
    refuse("it has several images, so say which, as DIR:REFERENCE: {}", names_in_index(manifests));
}

// Through nested indexes, down to a manifest.
Descriptor resolve(FdRef directory, JsonValue entry) {
    for (int depth = 0; depth < deepest_index; ++depth) {
        Descriptor descriptor = parse_descriptor(entry);
        if (is_manifest(descriptor.media_type)) return descriptor;
        if (!is_index(descriptor.media_type)) {
            refuse("'{}' is not supported as an image", printable(descriptor.media_type));
        }
        const JsonValue index = parse_document(read_blob(directory, descriptor), "the index");
        entry = choose_platform(array_at(index, "manifests"));
    }
    refuse("an index in an index, more than {} deep", deepest_index);
}

Descriptor config_of(const JsonValue& manifest) {
    Descriptor config = parse_descriptor(object_at(manifest, "config"));
    if (oci_media_type(config.media_type) == config_type) return config;
    refuse("a config of type '{}' is not that of a container's image",
           printable(config.media_type));
}

Image read_image(FdRef directory, const Descriptor& descriptor) {
    Image image;
    image.manifest = descriptor;
    const JsonValue manifest = parse_document(read_blob(directory, descriptor), "the manifest");
    image.config = parse_config(read_blob(directory, config_of(manifest)));
    for (const JsonValue& layer : array_at(manifest, "layers")) {
        image.layers.push_back(parse_descriptor(layer));
        check_layer_type(image.layers.back().media_type);
    }
    if (image.layers.size() != image.config.diff_ids.size()) {
        refuse("the manifest has {} layers, the config {}", image.layers.size(),
               image.config.diff_ids.size());
    }
    return image;
}

void check_layout(FdRef directory) {
    const std::optional<UniqueFd> file = open_if_there(directory, "oci-layout");
    if (!file) refuse("no image layout: it has no file oci-layout");
    const JsonValue layout = parse_document(read_document(*file, "oci-layout"), "oci-layout");
    const std::string version = text_at(layout, "imageLayoutVersion");
    if (version != "1.0.0") refuse("an image layout of version '{}'", printable(version));
}

JsonValue read_index(FdRef directory) {
    const std::optional<UniqueFd> file = open_if_there(directory, "index.json");
    if (!file) refuse("it has no file index.json");
    return parse_document(read_document(*file, "index.json"), "index.json");
}

}  // namespace

ImageLayout ImageLayout::open(const std::filesystem::path& path) {
    const trace::Step step{4, "open the image", "a folder of blobs, each called by its digest"};
    UniqueFd directory;
    try {
        directory = sys::openat(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY);
    } catch (const SysError& error) {
        throw SysError(error.error(), "open image", path.native());
    }
    in_image(path, [&] { check_layout(directory); });
    return ImageLayout{std::move(directory), path};
}

Image ImageLayout::image(const std::string& reference) const {
    const trace::Step step{4, "read the image", "what its index, manifest and config say"};
    return in_image(path_, [&] {
        const JsonValue entry = choose_reference(read_index(directory_), reference);
        return read_image(directory_, resolve(directory_, entry));
    });
}

UniqueFd ImageLayout::open_blob(const Digest& digest) const {
    return in_image(path_, [&] { return open_blob_file(directory_, digest); });
}

}  // namespace tenon
