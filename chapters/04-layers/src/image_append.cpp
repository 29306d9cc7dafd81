// A new layer makes a new config, which makes a new manifest, which gets into the index: from the
// bottom up, so that the last step, one rename(2), is the only one that anybody sees.
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <ctime>
#include <span>
#include <stdexcept>

#include "blob_files.hpp"
#include "image_json.hpp"
#include "tenon/error.hpp"
#include "tenon/file_lock.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/image_layout.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

std::string now_as_rfc3339() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

// All that the image said before stays, also what we know nothing of. @see image-spec config.md
std::string extended_config(const std::string& text, const Digest& diff_id,
                            const std::string& created_by) {
    JsonValue config = parse_document(text, "the image's config");
    const std::string now = now_as_rfc3339();
    config["created"] = now;
    config["rootfs"]["type"] = "layers";
    config["rootfs"]["diff_ids"].push_back(diff_id.text());
    config["history"].push_back({{"created", now}, {"created_by", created_by}});
    return text_of(config);
}

JsonValue oci_descriptor(Descriptor descriptor) {
    descriptor.media_type = oci_media_type(descriptor.media_type);
    return to_json(descriptor);
}

std::string extended_manifest(const Image& base, const Descriptor& config,
                              const Descriptor& layer) {
    JsonValue layers = JsonValue::array();
    for (const Descriptor& lower : base.layers) layers.push_back(oci_descriptor(lower));
    layers.push_back(to_json(layer));
    const JsonValue manifest{{"schemaVersion", 2},
                             {"mediaType", manifest_type},
                             {"config", to_json(config)},
                             {"layers", layers}};
    return text_of(manifest);
}

bool is_called(const JsonValue& entry, const std::string& reference) {
    if (!entry.is_object()) return false;
    return text_at(object_at(entry, "annotations"), reference_key) == reference;
}

// The name now means this manifest; every other entry stays as it is.
void point_reference(FdRef directory, const std::string& reference, const Descriptor& manifest) {
    // Two at once would each drop the other's entry. The lock is on the file that gets replaced,
    // and whoever waited looks again.
    const FileLock lock = FileLock::wait(directory, "index.json");
    JsonValue index = parse_document(read_document(lock.file(), "index.json"), "index.json");
    JsonValue manifests = JsonValue::array();
    for (const JsonValue& entry : array_at(index, "manifests")) {
        if (!is_called(entry, reference)) manifests.push_back(entry);
    }
    JsonValue named = to_json(manifest);
    named["annotations"] = {{reference_key, reference}};
    manifests.push_back(named);
    index["manifests"] = manifests;
    replace_file(directory, "index.json", text_of(index), layout_mode);
}

}  // namespace

Descriptor ImageLayout::append_layer(const Image& base, const WrittenLayer& layer,
                                     UnfinishedFile& blob, const std::string& reference,
                                     const std::string& created_by) {
    const trace::Step step{4, "add the layer to the image",
                           "blobs first, the name that leads to them last"};
    const std::string config = extended_config(base.config.text, layer.diff_id, created_by);
    publish_blob(blob, layer.blob);
    const Descriptor top{layer_gzip_type, layer.blob, layer.blob_size};
    const Descriptor described = write_blob(directory_, config, config_type);
    Descriptor manifest =
        write_blob(directory_, extended_manifest(base, described, top), manifest_type);
    point_reference(directory_, reference, manifest);
    return manifest;
}

UnfinishedFile ImageLayout::new_blob() {
    sweep_unfinished(directory_);
    return UnfinishedFile::make(directory_, layout_mode);
}

}  // namespace tenon
