// STATE/BRIDGE.network: what a bridge was made with.
#pragma once

#include <string>

#include "tenon/container_network.hpp"

namespace tenon {

std::string network_file_name(const std::string& bridge);
// A line per fact, as it is in the file.
std::string network_text(const NetworkSpec& network);
// The same for a sentence.
std::string on_one_line(std::string text);

}  // namespace tenon
