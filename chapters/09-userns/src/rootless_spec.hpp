// A config fitted to somebody without rights. Internal to chapter 09.
#pragma once

#include <string>
#include <vector>

#include "tenon/userns_options.hpp"

namespace tenon {

// The ids for `mode`. Throws std::invalid_argument when Subids has none.
IdMappings rootless_ids(Rootless mode, const UsernsCaller& caller);

// Takes out of `spec` what a user namespace with its maps cannot have, and says each.
std::vector<std::string> fit_to_user(oci::Spec& spec);

}  // namespace tenon
