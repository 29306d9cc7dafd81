// What the options ask for, before anything is done. Internal to chapter 04.
#pragma once

#include <string>

#include "tenon/image_options.hpp"

namespace tenon {

// --image, taken apart.
struct ImageName {
    std::string folder;
    std::string reference;  // empty: the only one
};

ImageName split_image_name(const std::string& text);

// @throws std::invalid_argument  options that exclude each other, or need one that is missing
void check_image_options(const ImageOptions& options, const RootfsOptions& rootfs);

}  // namespace tenon
