// linux.seccomp compiled for a runtime that starts many containers: the same filter as
// libseccomp's, as a search tree.
//
// libseccomp compares a call's number with every number that a policy names: the program for an
// engine's default profile has over a thousand instructions, which the kernel checks, translates
// and runs once for each call when it is loaded, and making it takes longer than all the rest of a
// launch. But neighbours mostly have the same action, and what is left are a few dozen ranges:
//
//     load arch;  one of ours?  else kill
//     load number
//     >= 200?  no:   >= 56?  no:   allow
//                            yes:  >= 59?   ...  clone: load its arguments, compare
//              yes:  >= 334? no:   allow
//                            yes:  ENOSYS        newer than the policy
//
// libseccomp's is chapter 08's, and what this one is measured by: the tests run both programs on
// every call. What is not proved to be the same is left to it.
#pragma once

#include <optional>

#include "tenon/seccomp_cache.hpp"

namespace tenon::ext {

// As seccomp::compile(); nothing where that would have to be asked: architectures other than those
// of PCs, ARM and RISC-V; several rules for one call, unless they are plain (see verdict_of()); a
// program that is too long.
// Throws std::invalid_argument  as seccomp::compile()
std::optional<seccomp::Filter> compile_tree(const oci::Seccomp& policy);

// compile_tree(), or else seccomp::compile(). Throws as that.
seccomp::Filter compile_by_tree(const oci::Seccomp& policy);

// For who keeps what was compiled. The number is another one with every change of the program.
inline constexpr seccomp::Compiler by_tree{"tree 1", compile_by_tree};

}  // namespace tenon::ext
