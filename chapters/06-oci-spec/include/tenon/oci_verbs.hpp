/// @file
/// Chapter 06, the verbs that run nothing: `spec`, `validate` and `dump`. Each is of use for other
/// people's bundles, too.
#pragma once

#include <string>
#include <vector>

#include "tenon/stage.hpp"
#include "tenon/stage_app.hpp"

namespace tenon {

/// What they were asked for.
struct OciVerbs {
    std::string bundle = ".";
    std::string file;       ///< instead of the bundle's config.json; `-`: standard input
    bool rootless = false;  ///< spec: for an ordinary user
    bool json = false;      ///< validate: for programs
};

/// Declares `spec`, `validate` and `dump`. Parsing fills @p verbs, which must outlive what is
/// returned. Their exit code is 0, or of `validate` 1 where there are violations; they throw
///     SysError               open bundle, open config.json, create config.json
///     std::invalid_argument  as oci::parse_spec()
///     oci::InvalidSpec       what `dump` cannot write again
std::vector<Verb> oci_verbs(StageApp& stage, OciVerbs& verbs);

}  // namespace tenon
