// Files of an image layout: read whole, written whole. Internal to chapter 04.
#pragma once

#include <optional>
#include <string>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"
#include "tenon/image_layout.hpp"

namespace tenon {

// O_RDONLY, inside `directory`; nothing when it is not there. @throws std::runtime_error  no plain
// file
std::optional<UniqueFd> open_if_there(FdRef directory, const std::string& path);
// @throws std::runtime_error  it is missing
UniqueFd open_blob_file(FdRef directory, const Digest& digest);
// All of it. @throws std::runtime_error  longer than a document may be
std::string read_document(FdRef file, const std::string& name);

// A new name for a file that is being written, in the layout's folder.
std::string temporary_name();
// The finished file `temporary` becomes the blob `digest`.
void publish_blob(FdRef directory, const std::string& temporary, const Digest& digest);
// `text` becomes a blob. @return its descriptor
Descriptor write_blob(FdRef directory, const std::string& text, const std::string& media_type);
// `text` takes the place of `name`, whole, or not at all.
void replace_file(FdRef directory, const std::string& name, const std::string& text);

}  // namespace tenon
