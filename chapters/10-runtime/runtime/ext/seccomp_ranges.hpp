// All numbers that a call can have, from 0 to 2^32 - 1, cut where what happens to a call changes. A
// policy with hundreds of names is a few dozen ranges, because an unconditional action is the same
// for many neighbours.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "seccomp_rules.hpp"

namespace tenon::ext {

// From `first` on, up to the next one's.
struct CallRange {
    std::uint32_t first = 0;
    Verdict verdict;
};

// The first one begins at 0, and no two neighbours are the same.
using CallRanges = std::vector<CallRange>;

// An architecture as the kernel counts them: x86_64 and x32 are one.
struct AuditArchitecture {
    std::uint32_t number = 0;  // AUDIT_ARCH_*
    CallRanges ranges;
};

// With what compile() does around the rules: calls newer than the policy fail with ENOSYS, x32's
// calls are forbidden where nobody listed x32. Nothing where verdict_of() says nothing.
std::optional<std::vector<AuditArchitecture>> ranges_of(PolicyRules policy);

}  // namespace tenon::ext
