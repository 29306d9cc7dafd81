/// @file
/// config.json as plain structs: `linux.seccomp`, which system calls a container may make.
/// Chapter 08 compiles it. @see runtime-spec config-linux.md, "Seccomp"
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::oci {

/// A condition on one argument of a call.
struct SeccompArg {
    std::uint32_t index = 0;  ///< 0 to 5
    std::uint64_t value = 0;
    std::optional<std::uint64_t> value_two;  ///< SCMP_CMP_MASKED_EQ: to compare with
    std::string op;                          ///< SCMP_CMP_EQ ...
    bool operator==(const SeccompArg&) const = default;
};

/// What happens to some calls, when all @p args hold.
struct SeccompSyscall {
    std::vector<std::string> names;
    std::string action;
    std::optional<std::uint32_t> errno_ret;
    std::vector<SeccompArg> args;
    bool operator==(const SeccompSyscall&) const = default;
};

/// config-linux.md, "Seccomp"
struct Seccomp {
    std::string default_action;  ///< SCMP_ACT_ERRNO ...
    std::optional<std::uint32_t> default_errno_ret;
    std::vector<std::string> architectures;  ///< SCMP_ARCH_X86_64 ...
    std::vector<std::string> flags;          ///< SECCOMP_FILTER_FLAG_LOG ...
    std::string listener_path;               ///< AF_UNIX stream socket that gets the descriptor
    std::string listener_metadata;
    std::vector<SeccompSyscall> syscalls;
    bool operator==(const Seccomp&) const = default;
};

}  // namespace tenon::oci
