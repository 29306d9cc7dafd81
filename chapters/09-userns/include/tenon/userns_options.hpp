/// @file
/// The command-line options that chapter 09 adds, and what they make of a config.
///
/// Every option is a change of config.json's own words, made before anything is planned: what runs
/// is always what some config.json could say.
#pragma once

#include <string>
#include <vector>

#include "tenon/id_mappings.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/oci_spec.hpp"

namespace CLI {
class App;
}

namespace tenon {

/// What an ordinary user's container is made of.
enum class Rootless {
    Unsaid,  ///< what config.json says, and nothing else
    Auto,    ///< subordinate ids where there are any, else the own id; nothing for root
    Single,  ///< the own id
    Subids,  ///< subordinate ids, or an error
};

/// What `chNN run` was asked for, as far as chapter 09 is concerned.
struct UsernsOptions {
    std::string remap;          ///< --userns-remap OWNER[:OWNER] or auto
    std::vector<IdMap> uidmap;  ///< --uidmap
    std::vector<IdMap> gidmap;  ///< --gidmap; empty: as uidmap
    Rootless rootless = Rootless::Unsaid;
    bool idmap_rootfs = false;       ///< --idmap-rootfs
    std::vector<std::string> binds;  ///< --bind SRC:DST[:options]
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it.
void declare_userns_options(CLI::App& run, UsernsOptions& options);

/// Who starts the container, and what they may map.
struct UsernsCaller {
    bool privileged = false;     ///< may map any id, and make any namespace
    bool on_the_machine = true;  ///< in its first user namespace: their ids are the machine's
    OwnIds own;                  ///< with the ranges of /etc/subuid and /etc/subgid
    std::vector<std::string> problems;  ///< lines of theirs in those files that grant nothing
};
/// @throws SysError  openat, read: EACCES
UsernsCaller read_userns_caller();
/// The same for whom Rootless is Unsaid: nobody asks for the ranges then.
UsernsCaller userns_caller_without_ranges();

/// Changes @p spec as @p options say: user namespace, maps, binds, and for Rootless what an
/// ordinary user cannot have. @return  what was changed and might be missed, a sentence each
/// @throws std::invalid_argument  options that exclude each other or need root; maps that
///         check_id_map() refuses, or in which root is missing
std::vector<std::string> apply_userns_options(const UsernsOptions& options,
                                              const UsernsCaller& caller, oci::Spec& spec);

/// Whoever is to run in a new user namespace must exist there. When all options are applied: they
/// may name another user. @throws std::invalid_argument  an id that no map has; groups that an
///         ordinary user cannot set
void check_container_user(const oci::Spec& spec, const UsernsCaller& caller);

/// The maps in @p spec. @throws std::invalid_argument  see apply_userns_options()
IdMappings mappings_of(const oci::Spec& spec);

/// The ids that --userns-remap names: those of an owner in /etc/subuid and of one in /etc/subgid.
/// `auto` is the first of tenon, containers and dockremap that both files know.
/// @param problems  gets the lines of theirs that grant nothing
/// @throws std::invalid_argument  neither file grants anything to that owner
IdMappings remap_mappings(const std::string& text, std::vector<std::string>& problems);

/// Whose maps they are: makes @p namespaces write those of @p spec for a new user namespace, and
/// refuses, with the way out, what this machine will not let the caller do.
/// @throws std::runtime_error  user namespaces are switched off
void use_mappings(const oci::Spec& spec, const UsernsCaller& caller, NamespaceOptions& namespaces);

/// For a config with limits or a group, by a caller who may make none: how they may.
/// @param command  the words of this command, to be run again
/// @throws std::runtime_error  the exact command that gives them a group
void require_own_cgroup(const oci::Spec& spec, const std::vector<std::string>& command);

}  // namespace tenon
