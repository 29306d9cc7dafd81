// What this runtime does not do is refused in one clear line, never passed over.
#pragma once

#include <string>

#include "verbs.hpp"

namespace tenon::cli {

[[noreturn]] void refuse(const std::string& what);

// --systemd-cgroup, --cgroup-manager=systemd
bool wants_systemd(const Global& global);
// --cgroup-manager with another word
void refuse_cgroup_manager(const Global& global);

// Throws std::invalid_argument  a part of the config that nobody here carries out
void refuse_unsupported(const oci::Spec& spec);

}  // namespace tenon::cli
