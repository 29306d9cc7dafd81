// Declarations, and the text of --image.
#include "tenon/image_options.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

#include "image_request.hpp"
#include "tenon/log.hpp"
#include "tenon/option_group.hpp"

namespace tenon {

namespace {

void need_image(const ImageOptions& options) {
    const bool asks = !options.commit_to.empty() || !options.store.empty() ||
                      options.volatile_upper || options.metacopy || options.redirect_dir;
    if (!options.image.empty() || !asks) return;
    throw std::invalid_argument(
        "--commit, --store, --volatile, --metacopy and --redirect-dir need --image");
}

// What is copied up without its content, or renamed without its parts, is no complete layer.
void refuse_incomplete_layer(const ImageOptions& options) {
    if (options.commit_to.empty() || !(options.metacopy || options.redirect_dir)) return;
    throw std::invalid_argument(
        "--commit excludes --metacopy and --redirect-dir: a file whose content stayed in a lower "
        "layer cannot be written into a new one");
}

// The characters of a name that skopeo and umoci take. @see image-spec annotations.md
void check_reference(const std::string& reference) {
    constexpr const char* allowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:@/+";
    if (reference.find_first_not_of(allowed) == std::string::npos) return;
    throw std::invalid_argument(
        fmt::format("--commit: '{}' cannot be an image's name: letters, digits and -._:@/+",
                    printable(reference)));
}

// Whoever opens it says what is wrong with it.
bool is_folder(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

}  // namespace

void declare_image_options(CLI::App& run, ImageOptions& options) {
    OptionGroup group{run, "Image"};
    group.value("--image", "DIR[:REFERENCE]", "an OCI image layout, instead of --rootfs",
                options.image);
    group.value("--store", "DIR", "where unpacked layers are kept", options.store);
    group.value("--commit", "REFERENCE", "make an image of the changes, if it exits with 0",
                options.commit_to);
    group.flag("--volatile", "never sync the changes to the disk", options.volatile_upper);
    group.flag("--metacopy", "a new owner or mode copies no content", options.metacopy);
    group.flag("--redirect-dir", "folders of the image can be renamed", options.redirect_dir);
}

ImageName split_image_name(const std::string& text) {
    // A folder's name may contain colons, and so may a reference: the disk decides.
    if (is_folder(text)) return {text, {}};
    for (auto colon = text.rfind(':'); colon != std::string::npos && colon > 0;
         colon = text.rfind(':', colon - 1)) {
        const std::string folder = text.substr(0, colon);
        if (is_folder(folder)) return {folder, text.substr(colon + 1)};
    }
    const auto first = text.find(':');
    if (first == std::string::npos) return {text, {}};
    return {text.substr(0, first), text.substr(first + 1)};
}

void check_image_options(const ImageOptions& options, const RootfsOptions& rootfs) {
    need_image(options);
    if (options.image.empty()) return;
    if (!rootfs.rootfs.empty()) {
        throw std::invalid_argument("--image and --rootfs exclude each other");
    }
    refuse_incomplete_layer(options);
    check_reference(options.commit_to);
}

}  // namespace tenon
