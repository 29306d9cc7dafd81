/// @file
/// Chapter 08, the contract: what of root's power a process has.
///
/// Root is not one right but 41, and each process has five sets of them. The bounding set is what
/// exec may ever give, permitted what may be used, effective what is used now, inheritable and
/// ambient what survives exec without being root. A container gets exactly the five that its
/// config lists: what it does not have, no bug in it can use.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/oci_spec.hpp"

namespace tenon {

/// The number of a capability: CAP_CHOWN is 0. The kernel has room for 64.
using Capability = int;

/// How many the kernel's interface has room for. @see \man{capget,2}
inline constexpr Capability capability_room = 64;

/// Some of the capabilities.
class CapabilitySet {
  public:
    constexpr CapabilitySet() = default;
    /// @pre each from 0 to 63
    constexpr CapabilitySet(std::initializer_list<Capability> members) {
        for (const Capability member : members) insert(member);
    }
    /// Bit N is capability N, as in /proc/PID/status. @see \man{proc_pid_status,5}
    static constexpr CapabilitySet from_bits(std::uint64_t bits) {
        CapabilitySet set;
        set.bits_ = bits;
        return set;
    }
    /// Every one from 0 to @p last. @pre last from 0 to 63
    static constexpr CapabilitySet up_to(Capability last) {
        return from_bits(~std::uint64_t{0} >> (capability_room - 1 - last));
    }

    [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
    [[nodiscard]] constexpr bool contains(Capability member) const {
        return (bits_ >> member & 1U) != 0;
    }
    constexpr void insert(Capability member) { bits_ |= std::uint64_t{1} << member; }
    constexpr void erase(Capability member) { bits_ &= ~(std::uint64_t{1} << member); }
    /// Its members, the smallest first.
    [[nodiscard]] std::vector<Capability> members() const;

    friend constexpr CapabilitySet operator|(CapabilitySet a, CapabilitySet b) {
        return from_bits(a.bits_ | b.bits_);
    }
    friend constexpr CapabilitySet operator&(CapabilitySet a, CapabilitySet b) {
        return from_bits(a.bits_ & b.bits_);
    }
    /// What is in @p a and not in @p b.
    friend constexpr CapabilitySet operator-(CapabilitySet a, CapabilitySet b) {
        return from_bits(a.bits_ & ~b.bits_);
    }
    constexpr bool operator==(const CapabilitySet&) const = default;

  private:
    std::uint64_t bits_ = 0;
};

/// The five sets of a process. @see \man{capabilities,7}, "Thread capability sets"
struct Capabilities {
    CapabilitySet bounding;
    CapabilitySet effective;
    CapabilitySet inheritable;
    CapabilitySet permitted;
    CapabilitySet ambient;
    bool operator==(const Capabilities&) const = default;
};

/// `CAP_SYS_ADMIN` for 21; `41` for a number without a name here.
std::string capability_name(Capability number);
/// The number of a name, in any case, with or without CAP_, or of a number from 0 to 63; nothing
/// for any other text.
std::optional<Capability> capability_from(std::string_view text);
/// As config.json lists them.
std::vector<std::string> names_in(const CapabilitySet& set);
/// `CAP_CHOWN,CAP_KILL`; `none`.
std::string names_of(const CapabilitySet& set);

/// The newest capability that the running kernel knows. Asked of prctl, not of
/// /proc/sys/kernel/cap_last_cap: /proc may be somebody else's. @see \man{prctl,2}, PR_CAPBSET_READ
Capability last_capability();
/// The five sets of this process.
Capabilities own_capabilities();
/// The five sets of a process that has just entered a user namespace of its own.
/// @see \man{user_namespaces,7}, "Capabilities"
Capabilities capabilities_of_a_new_user_namespace(Capability last);

/// The sets that @p names list. What has no number, or none that the kernel knows, is left out and
/// said in @p warnings, as the specification demands.
/// @param last  last_capability()
/// @see runtime-spec config.md, "Linux Process", capabilities
Capabilities capabilities_from(const oci::Capabilities& names, Capability last,
                               std::vector<std::string>& warnings);

/// What of @p wanted a process that has @p available can get: nobody gives away what he does not
/// have, and effective, inheritable and ambient stand on other sets. The rest is said in
/// @p warnings.
Capabilities obtainable(const Capabilities& wanted, const Capabilities& available,
                        std::vector<std::string>& warnings);

/// What a program without file capabilities has after execve, run by a process that has @p before.
/// @param root  whether its effective uid is 0
/// @param no_new_privileges  whether that bit is set: then nothing comes that was not permitted
/// @pre no securebits are set. @see \man{capabilities,7}, "Transformation of capabilities"
Capabilities after_exec(const Capabilities& before, bool root, bool no_new_privileges = false);

/// Exercise 08.1. Removes from the bounding set what is not in @p keep: no execve, not that of a
/// file with capabilities, not root's, gives it back.
/// @throws SysError  prctl: EPERM without CAP_SETPCAP. @see \man{prctl,2}, PR_CAPBSET_DROP
void drop_bounding(const CapabilitySet& keep);

/// Exercise 08.2. Becomes @p user with the five sets of @p wanted.
/// @pre this process has CAP_SETPCAP, and what is wanted; see obtainable()
/// @throws SysError  prctl, capset: EPERM; what become_user() throws
void apply_capabilities(const Capabilities& wanted, const oci::User& user);

/// From here on execve gives no more than this process has: no set-user-ID, no file capabilities.
/// Irrevocable, and inherited. @see \man{prctl,2}, PR_SET_NO_NEW_PRIVS
void set_no_new_privs();

}  // namespace tenon
