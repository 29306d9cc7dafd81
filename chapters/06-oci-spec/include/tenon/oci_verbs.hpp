/// @file
/// Chapter 06, the verbs that run nothing: `spec`, `validate` and `dump`. Each is of use for other
/// people's bundles, too.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace tenon {

/// What they were asked for.
struct OciVerbs {
    std::string bundle = ".";
    std::string file;       ///< instead of the bundle's config.json; `-`: standard input
    bool rootless = false;  ///< spec: for an ordinary user
    bool json = false;      ///< validate: for programs
};

/// Declares `spec`, `validate` and `dump` as subcommands of @p app; parsing fills @p verbs, which
/// must outlive it.
void declare_oci_verbs(CLI::App& app, OciVerbs& verbs);

/// Runs the one of them that was parsed.
/// @return its exit code: 0, or of `validate` 1 where there are violations; nothing when it was
///         another verb
/// @throws SysError  open bundle, open config.json, create config.json. std::invalid_argument  as
///         oci::parse_spec(); oci::InvalidSpec  what `dump` cannot write again
std::optional<int> run_oci_verb(const CLI::App& app, const OciVerbs& verbs);

}  // namespace tenon
