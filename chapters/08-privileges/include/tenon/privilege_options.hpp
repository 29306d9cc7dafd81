/// @file
/// The command-line options that chapter 08 adds: each changes the config before it is planned.
///
/// --privileged is here too, so that everybody can read what it lifts: it is no switch in the
/// runtime, but a config that asks for everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/capabilities.hpp"
#include "tenon/fd.hpp"
#include "tenon/oci_spec.hpp"

namespace CLI {
class App;
}

namespace tenon {

/// `--user UID[:GID]`. @see CVE-2016-3697, CVE-2024-40635, CVE-2026-30892
struct RequestedUser {
    std::uint32_t uid = 0;
    std::optional<std::uint32_t> gid;  ///< none: what the config says
    bool operator==(const RequestedUser&) const = default;
};

/// What `chNN run` was asked for, as far as chapter 08 is concerned.
struct PrivilegeOptions {
    bool privileged = false;            ///< --privileged
    std::vector<std::string> cap_add;   ///< --cap-add: `CAP_CHOWN`, `ALL`
    std::vector<std::string> cap_drop;  ///< --cap-drop
    std::optional<RequestedUser> user;  ///< --user
    // --security-opt:
    std::optional<bool> no_new_privileges;
    std::string seccomp;                  ///< a file, or `unconfined`; empty: what the config says
    std::optional<std::string> apparmor;  ///< a profile
    std::vector<std::string> labels;      ///< `disable`, `user:U`, `role:R`, `type:T`, `level:L`
};

/// Adds the options to @p verb, `run` or `exec`; parsing fills @p options, which must outlive it.
/// @param joins  whether the verb joins a container: chapter 07's --user is there, and what makes a
/// container is left out
void declare_privilege_options(CLI::App& verb, PrivilegeOptions& options, bool joins = false);

// ---- words that people type. All throw std::invalid_argument, with the text and what was
// expected.

/// `ALL`, or a capability as capability_from() takes it, as `CAP_CHOWN`.
std::string parse_capability_word(std::string_view text);
/// `1000` or `1000:1000`: digits only, from 0 to 2147483647. A name is refused: the only list that
/// could translate it is the image's, and that is the image's to write.
RequestedUser parse_ids(std::string_view text);
/// One --security-opt, into @p options.
void add_security_option(std::string_view text, PrivilegeOptions& options);

// ---- from options to a config. Pure ----------------------------------------------------------

/// What --privileged gives away.
struct HostOffer {
    CapabilitySet capabilities;           ///< all that the caller has itself
    std::vector<oci::Device> devices;     ///< all of /dev
    std::optional<oci::Seccomp> seccomp;  ///< what options.seccomp names
};

/// The fourteen that Docker gives a container which asks for nothing.
CapabilitySet default_capabilities();

/// @p process with --user, --cap-add, --cap-drop, --privileged (its capabilities) and the labels
/// and no_new_privileges of --security-opt. Where it lists no capabilities and options add or drop
/// some, they start from default_capabilities(), as Docker's do.
/// @throws std::invalid_argument  options that contradict each other; a part of a label that is not
///         there
oci::Process with_privileges(oci::Process process, const PrivilegeOptions& options,
                             const HostOffer& offer);

/// The same for a whole config, with seccomp, and what --privileged lifts besides.
/// @throws std::invalid_argument  a config without `process` or `linux`
oci::Spec with_privileges(oci::Spec spec, const PrivilegeOptions& options, const HostOffer& offer);

/// Every device node below @p dev, but for terminals' and what file systems of their own hold
/// (pts, shm, mqueue): those are each container's.
/// @throws SysError  openat, getdents64
std::vector<oci::Device> devices_in(FdRef dev);

}  // namespace tenon
