// Errors in the words that callers look for.
#pragma once

#include <exception>
#include <string>

namespace tenon::cli {

// One line. podman makes its exit codes 126 and 127 of `permission denied`, `executable file not
// found in` and `no such file or directory`, in small letters; so do Docker and containerd.
std::string text_of(const std::exception& error);

}  // namespace tenon::cli
