// Files of an image layout: read whole, written whole. Internal to chapter 04.
#pragma once

#include <optional>
#include <string>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"
#include "tenon/image_layout.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

// O_RDONLY, inside `directory`; nothing when it is not there. @throws std::runtime_error  no plain
// file
std::optional<UniqueFd> open_if_there(FdRef directory, const std::string& path);
// @throws std::runtime_error  it is missing
UniqueFd open_blob_file(FdRef directory, const Digest& digest);
// All of it. @throws std::runtime_error  longer than a document may be
std::string read_document(FdRef file, const std::string& name);

// Of what is added to a layout: it may be for everybody.
inline constexpr mode_t layout_mode = 0644;
// The finished file becomes the blob `digest`.
void publish_blob(UnfinishedFile& file, const Digest& digest);
// `text` becomes a blob. @return its descriptor
Descriptor write_blob(FdRef directory, const std::string& text, const std::string& media_type);

}  // namespace tenon
