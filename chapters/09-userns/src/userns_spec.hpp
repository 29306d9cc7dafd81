// What a config says of its user namespace. Internal to chapter 09.
#pragma once

#include "tenon/oci_spec.hpp"

namespace tenon {

// The entry of linux.namespaces; nullptr: none.
oci::LinuxNamespace* user_namespace_in(oci::Spec& spec);
const oci::LinuxNamespace* user_namespace_in(const oci::Spec& spec);

bool has_new_user_namespace(const oci::Spec& spec);

}  // namespace tenon
