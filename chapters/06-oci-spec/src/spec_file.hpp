// config.json as a file. Internal to chapter 06.
#pragma once

#include <string>
#include <string_view>

#include "tenon/fd.hpp"
#include "tenon/oci_config.hpp"

namespace tenon::oci {

inline constexpr const char* config_name = "config.json";

// The folder itself, as O_PATH. @throws SysError  open bundle
UniqueFd open_bundle_folder(const std::string& path);

// All of `file`, up to its end. @param name  for messages
// @throws SysError  read; std::invalid_argument  more than largest_config
std::string read_document(FdRef file, const std::string& name);

// parse_spec(). @param name  for messages
// @throws std::invalid_argument  as parse_spec(), with the name
ParsedSpec read_spec(std::string_view text, const std::string& name);

// read_spec() and validate(), each mistake told once.
ParsedSpec judge_document(std::string_view text, const std::string& name);

}  // namespace tenon::oci
