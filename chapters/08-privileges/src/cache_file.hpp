// The form of a compiled filter on disk. For machines, and only for the one that wrote it: the
// words have its byte order, and the name of the file depends on its kernel.
//
//     SHA-256 of all that follows, 64 digits
//     tenon seccomp 2, newline
//     flags, wants_listener, number of instructions, newline
//     warnings, one per line; an empty line
//     the instructions
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tenon/seccomp.hpp"

namespace tenon::seccomp {

inline constexpr std::string_view cache_format = "tenon seccomp 2";
inline constexpr std::uint64_t largest_cache_file = std::uint64_t{1} << 20;

// All of `policy` that decides what compile() makes of it, the same text for the same policy only.
std::string canonical(const oci::Seccomp& policy);

std::string file_text(const Filter& filter);
// Nothing when `text` is not the whole of such a file, or its program is not sound.
std::optional<Filter> filter_from(std::string_view text);

}  // namespace tenon::seccomp
