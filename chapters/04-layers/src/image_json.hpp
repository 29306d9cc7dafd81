// The JSON of an image, which somebody wrote whom we do not trust. Internal to chapter 04; the only
// header that knows the JSON library.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/image_layout.hpp"

namespace tenon {

// Keeps the order of keys: an image's config is extended, not rewritten.
using JsonValue = nlohmann::ordered_json;

// No document of an image is longer: as containerd's and Docker's own limits.
inline constexpr std::size_t longest_document = std::size_t{4} << 20;

// @throws std::runtime_error  no JSON, no object, deeper than 64: the text begins with `what`
JsonValue parse_document(std::string_view text, const std::string& what);

// The member `key` of `object`. A missing one is empty; one of another type is an error.
// @throws std::runtime_error  the text names the key
std::string text_at(const JsonValue& object, const char* key);
std::vector<std::string> texts_at(const JsonValue& object, const char* key);
const JsonValue& array_at(const JsonValue& object, const char* key);
const JsonValue& object_at(const JsonValue& object, const char* key);

// @throws std::runtime_error  a digest or size that is none
Descriptor parse_descriptor(const JsonValue& object);
JsonValue to_json(const Descriptor& descriptor);
// As text. What is no UTF-8, as a command's word may be, becomes U+FFFD: JSON holds nothing else.
std::string text_of(const JsonValue& document);

// @throws std::runtime_error  another type of value than config.md says, a NUL in a text
ImageConfig parse_config(const std::string& text);

bool is_index(const std::string& media_type);
bool is_manifest(const std::string& media_type);
// @throws std::runtime_error  a kind of layer that is not unpacked
void check_layer_type(const std::string& media_type);
// Docker's media types in OCI's words; any other as it is.
std::string oci_media_type(const std::string& media_type);

// Which of the manifests `entries` of an index is for this machine.
// @throws std::runtime_error  none: says which there are
const JsonValue& choose_platform(const JsonValue& entries);

inline constexpr const char* manifest_type = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* config_type = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* layer_gzip_type = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr const char* reference_key = "org.opencontainers.image.ref.name";

}  // namespace tenon
