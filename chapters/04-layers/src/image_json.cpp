// Values are taken out one by one, each with its type checked: what the JSON library throws speaks
// of its own functions, and a person must learn which key of which document is wrong.
#include "image_json.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "tenon/log.hpp"

namespace tenon {

namespace {

constexpr int deepest_document = 64;

template <typename... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> words, Parts&&... parts) {
    throw std::runtime_error(fmt::format(words, std::forward<Parts>(parts)...));
}

// A NUL would end the text in a system call: what is checked would not be what is used.
std::string plain_text(const JsonValue& value, const char* key) {
    if (!value.is_string()) refuse("{} is no text", key);
    std::string text = value.get<std::string>();
    if (text.find('\0') != std::string::npos) refuse("{} contains a NUL", key);
    return text;
}

const JsonValue& member(const JsonValue& object, const char* key) {
    static const JsonValue none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
}

struct TypePair {
    std::string_view docker;
    const char* oci;
};

constexpr std::array docker_types{
    TypePair{"application/vnd.docker.distribution.manifest.v2+json", manifest_type},
    TypePair{"application/vnd.docker.container.image.v1+json", config_type},
    TypePair{"application/vnd.docker.image.rootfs.diff.tar.gzip", layer_gzip_type},
    TypePair{"application/vnd.docker.image.rootfs.diff.tar.zstd",
             "application/vnd.oci.image.layer.v1.tar+zstd"},
    TypePair{"application/vnd.docker.image.rootfs.diff.tar",
             "application/vnd.oci.image.layer.v1.tar"},
    TypePair{"application/vnd.docker.distribution.manifest.list.v2+json",
             "application/vnd.oci.image.index.v1+json"},
};

constexpr std::array layer_types{
    std::string_view{"application/vnd.oci.image.layer.v1.tar"},
    std::string_view{layer_gzip_type},
    std::string_view{"application/vnd.oci.image.layer.v1.tar+zstd"},
};

// The kernel's word for a machine, and Go's, which images use.
struct Architecture {
    std::string_view machine;
    const char* name;
};

constexpr std::array architectures{
    Architecture{"x86_64", "amd64"},
    Architecture{"aarch64", "arm64"},
    Architecture{"armv7l", "arm"},
    Architecture{"armv6l", "arm"},
    Architecture{"i686", "386"},
    Architecture{"ppc64le", "ppc64le"},
    Architecture{"s390x", "s390x"},
    Architecture{"riscv64", "riscv64"},
    Architecture{"loongarch64", "loong64"},
};

std::string own_architecture() {
    utsname names{};
    ::uname(&names);
    const std::string_view machine{&names.machine[0]};
    for (const Architecture& row : architectures) {
        if (row.machine == machine) return row.name;
    }
    return std::string{machine};
}

std::string platform_of(const JsonValue& entry) {
    const JsonValue& platform = object_at(entry, "platform");
    if (platform.is_null()) return {};
    return text_at(platform, "os") + "/" + text_at(platform, "architecture");
}

std::vector<Digest> parse_diff_ids(const JsonValue& document) {
    const JsonValue& rootfs = object_at(document, "rootfs");
    std::vector<Digest> ids;
    if (rootfs.is_null()) return ids;
    for (const std::string& text : texts_at(rootfs, "diff_ids")) ids.push_back(Digest::parse(text));
    return ids;
}

void check_environment(const std::vector<std::string>& environment) {
    for (const std::string& entry : environment) {
        const auto equals = entry.find('=');
        if (equals != std::string::npos && equals != 0) continue;
        refuse("Env has '{}', which is no KEY=value", printable(entry));
    }
}

}  // namespace

JsonValue parse_document(std::string_view text, const std::string& what) {
    // Asked for at each level, so that one that is too deep is never built.
    const auto check_depth = [](int depth, nlohmann::detail::parse_event_t, const JsonValue&) {
        if (depth > deepest_document) refuse("JSON that is nested too deep");
        return true;
    };
    JsonValue document;
    try {
        document = JsonValue::parse(text, check_depth);
    } catch (const JsonValue::exception& error) {
        refuse("{} is no JSON: {}", what, printable(error.what()));
    } catch (const std::runtime_error& error) {
        refuse("{}: {}", what, error.what());
    }
    if (!document.is_object()) refuse("{} is no JSON object", what);
    return document;
}

std::string text_at(const JsonValue& object, const char* key) {
    const JsonValue& value = member(object, key);
    return value.is_null() ? std::string{} : plain_text(value, key);
}

const JsonValue& array_at(const JsonValue& object, const char* key) {
    const JsonValue& value = member(object, key);
    if (!value.is_null() && !value.is_array()) refuse("{} is no list", key);
    return value;
}

const JsonValue& object_at(const JsonValue& object, const char* key) {
    const JsonValue& value = member(object, key);
    if (!value.is_null() && !value.is_object()) refuse("{} is no object", key);
    return value;
}

std::vector<std::string> texts_at(const JsonValue& object, const char* key) {
    std::vector<std::string> texts;
    for (const JsonValue& value : array_at(object, key)) texts.push_back(plain_text(value, key));
    return texts;
}

Descriptor parse_descriptor(const JsonValue& object) {
    if (!object.is_object()) refuse("a descriptor is no object");
    Descriptor descriptor;
    descriptor.media_type = text_at(object, "mediaType");
    descriptor.digest = Digest::parse(text_at(object, "digest"));
    const JsonValue& size = member(object, "size");
    if (!size.is_number_unsigned()) refuse("the size of {} is no number", descriptor.digest.text());
    descriptor.size = size.get<std::uint64_t>();
    return descriptor;
}

JsonValue to_json(const Descriptor& descriptor) {
    return {{"mediaType", descriptor.media_type},
            {"digest", descriptor.digest.text()},
            {"size", descriptor.size}};
}

std::string text_of(const JsonValue& document) {
    return document.dump(-1, ' ', false, JsonValue::error_handler_t::replace);
}

ImageConfig parse_config(const std::string& text) {
    const JsonValue document = parse_document(text, "the image's config");
    ImageConfig config;
    config.text = text;
    config.diff_ids = parse_diff_ids(document);
    array_at(document, "history");  // --commit adds to it, after all the work is done
    const JsonValue& run = object_at(document, "config");
    if (run.is_null()) return config;
    config.entrypoint = texts_at(run, "Entrypoint");
    config.cmd = texts_at(run, "Cmd");
    config.env = texts_at(run, "Env");
    config.working_dir = text_at(run, "WorkingDir");
    config.user = text_at(run, "User");
    check_environment(config.env);
    return config;
}

std::string oci_media_type(const std::string& media_type) {
    for (const TypePair& pair : docker_types) {
        if (pair.docker == media_type) return pair.oci;
    }
    return media_type;
}

bool is_index(const std::string& media_type) {
    return oci_media_type(media_type) == "application/vnd.oci.image.index.v1+json";
}

bool is_manifest(const std::string& media_type) {
    return oci_media_type(media_type) == manifest_type;
}

void check_layer_type(const std::string& media_type) {
    const std::string type = oci_media_type(media_type);
    if (std::find(layer_types.begin(), layer_types.end(), type) != layer_types.end()) return;
    if (type.find("nondistributable") != std::string::npos ||
        type.find("foreign") != std::string::npos) {
        refuse(
            "a layer of type {} is not in the image: it would have to be fetched from its vendor",
            printable(type));
    }
    refuse("a layer of type '{}' is not supported", printable(type));
}

const JsonValue& choose_platform(const JsonValue& entries) {
    const std::string wanted = "linux/" + own_architecture();
    std::string there;
    for (const JsonValue& entry : entries) {
        const std::string platform = entry.is_object() ? platform_of(entry) : "";
        if (platform == wanted) return entry;
        there += (there.empty() ? "" : ", ") + (platform.empty() ? "one without" : platform);
    }
    // An image that does not say what it is for may be for anything.
    if (entries.size() == 1 && platform_of(entries.front()).empty()) return entries.front();
    refuse("the image is not there for {}; there is: {}", wanted,
           there.empty() ? "nothing" : printable(there));
}

}  // namespace tenon
