// A seccomp policy as rules about numbers, a list for each architecture: what libseccomp makes of
// the names in config.json before it writes any code.
//
// Some calls have two ways to the i386 kernel: a number of their own, and a case of socketcall(2)
// or ipc(2), which stand for many and have the case as their first argument. A rule for such a call
// is one for both, and in the second the case takes the place of what it says about that argument.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenon/oci_seccomp.hpp"

namespace tenon::ext {

// Something about one argument. The seven operators of a config are three, each to hold or not to.
struct ArgumentTest {
    enum class Kind { Equal, Greater, GreaterOrEqual };

    std::uint32_t index = 0;
    Kind kind = Kind::Equal;
    bool wanted = true;
    bool wide = true;        // both halves of 64 bits count; a 32-bit program has one
    bool masked = false;     // SCMP_CMP_MASKED_EQ, whatever its mask is
    std::uint64_t mask = 0;  // the bits that are compared; else all
    std::uint64_t value = 0;

    bool operator==(const ArgumentTest&) const = default;
};

// `action`, where all tests succeed. SECCOMP_RET_*, with its data.
struct CallRule {
    std::uint32_t action = 0;
    std::vector<ArgumentTest> tests;  // in the order of arguments

    bool operator==(const CallRule&) const = default;
};

struct NumberedRule {
    std::uint32_t number = 0;
    CallRule rule;
};

// What a policy says about the calls of one architecture, in its order.
struct ArchitectureRules {
    std::uint32_t token = 0;  // libseccomp's SCMP_ARCH_*
    std::vector<NumberedRule> rules;
    std::optional<std::uint32_t> newest;  // the greatest number that is named, for any action
};

struct PolicyRules {
    std::uint32_t fallback = 0;  // the default action
    std::vector<ArchitectureRules> architectures;
    std::vector<std::string> warnings;
};

// Nothing for a policy with an architecture that is left to libseccomp: of those that it knows,
// some have their own rules about which number means which call. Throws std::invalid_argument  as
// seccomp::compile()
std::optional<PolicyRules> rules_of(const oci::Seccomp& policy);

// What happens to one call: the action of a rule that holds, or `otherwise`. No two rules with
// different actions can hold at once, so their order does not matter.
struct Verdict {
    std::vector<CallRule> rules;
    std::uint32_t otherwise = 0;

    bool operator==(const Verdict&) const = default;
};

// Of all the rules about one call, in the policy's order. An unconditional rule counts more than
// every other, and the first one of several. Nothing where rules with different actions could hold
// at once: which of them counts depends on how libseccomp happens to order its tests, if it does
// not refuse them. Nor where libseccomp 2.5.4 does not always do what several rules say: one asks
// for greater or less, or for some bits, or says that an argument differs where others look at
// more. What it does there is what other runtimes do.
std::optional<Verdict> verdict_of(std::span<const NumberedRule> rules, std::uint32_t fallback);

}  // namespace tenon::ext
