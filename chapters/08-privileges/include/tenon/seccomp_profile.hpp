/// @file
/// Chapter 08: profiles of engines.
///
/// What Docker and podman ship as their default profile is not the object of config.json but its
/// ancestor: rules come with conditions (a capability that the container has, an architecture, a
/// kernel) which the engine decides when it writes the config. Here is that decision, so that
/// `--security-opt seccomp=FILE` takes either form.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "tenon/capabilities.hpp"
#include "tenon/oci_seccomp.hpp"

namespace tenon::seccomp {

/// Major and minor number of a kernel.
struct KernelVersion {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;

    bool operator==(const KernelVersion&) const = default;
    // Not defaulted: in what that stands for, clang-tidy 14 takes a 0 for a pointer.
    auto operator<=>(const KernelVersion& other) const {
        return std::tie(major, minor) <=> std::tie(other.major, other.minor);
    }

    /// `5.12`, and a release as uname(2) has it: `6.1.0-18-amd64`.
    /// @throws std::invalid_argument  any other text
    static KernelVersion parse(std::string_view text);
};

/// What a profile's conditions are about.
struct ProfileContext {
    CapabilitySet bounding;  ///< of the container
    KernelVersion kernel;
    std::string architecture;  ///< as Go calls it: amd64, arm64, 386 ...
};

/// This machine, and a container with @p bounding.
ProfileContext profile_context(const CapabilitySet& bounding);

/// The policy in @p json, which is a profile of an engine or a `seccomp` object of config.json.
/// @throws std::invalid_argument  no JSON; unknown names; conditions that make no sense; the
///         violations of a `seccomp` object
oci::Seccomp profile_from(std::string_view json, const ProfileContext& context);

/// The same from a file, at most 1 MiB. @throws SysError  openat, read; as profile_from(), with the
/// path
oci::Seccomp load_profile(const std::string& path, const ProfileContext& context);

}  // namespace tenon::seccomp
