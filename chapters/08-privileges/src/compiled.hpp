// libseccomp's context, from the beginning to the exported program.
#pragma once

#include <seccomp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tenon/seccomp.hpp"

namespace tenon::seccomp {

struct ReleaseContext {
    void operator()(void* context) const { ::seccomp_release(context); }
};
// seccomp_init(3). get() is what libseccomp's functions take.
using Context = std::unique_ptr<void, ReleaseContext>;

// A context for this machine's own architecture, where everything that no rule is about has the
// action `fallback`. A policy with many rules becomes a tree instead of a list.
Context new_context(std::uint32_t fallback, const oci::Seccomp& policy);

// One more architecture, by libseccomp's token; one that is there already is no error.
// @throws std::invalid_argument  it cannot be in one filter with the others
void add_architecture(const Context& context, std::uint32_t token);

// The program. @throws std::runtime_error, SysError
Program exported(const Context& context);

// Throws what a negative result of seccomp_rule_add_array(3) for `call` says, in words.
// @throws std::invalid_argument
void refuse(int rc, const std::string& call);

// @throws std::invalid_argument  the kernel would not take the program
void require_sound(const Program& program);

}  // namespace tenon::seccomp
