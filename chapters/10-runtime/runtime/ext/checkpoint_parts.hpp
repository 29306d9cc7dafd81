// What write_checkpoint() and restoring() share. Internal to them.
#pragma once

#include "checkpoint.hpp"
#include "criu.hpp"

namespace tenon::ext {

// The folder of the images, made where it is missing and `make` is set; that of the log in any
// case.
UniqueFd open_images(const CriuWishes& wishes, bool make);
const std::string& work_path_of(const CriuWishes& wishes);

CriuRequest request_for(const CriuWishes& wishes, const oci::Spec& spec);

// Kinds of namespace that criu finds again by a key, as long as somebody holds them.
bool is_external_namespace(const oci::LinuxNamespace& ns);
std::string external_key(const oci::LinuxNamespace& ns);
// Those of the config that are somebody else's.
std::vector<oci::LinuxNamespace> joined_namespaces(const oci::Spec& spec);

}  // namespace tenon::ext
