// Names become numbers by libseccomp's tables, which are quick; it is its compiler that is not.
#include "seccomp_rules.hpp"

#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "tenon/seccomp_words.hpp"

namespace tenon::ext {

namespace {

using Tests = std::vector<ArgumentTest>;
using Kind = ArgumentTest::Kind;

constexpr std::uint64_t all_bits = ~std::uint64_t{0};
constexpr std::uint64_t low_bits = 0xffffffff;

// Those whose numbers are libseccomp's plain tables, and which a machine of ours may have.
constexpr std::array<std::uint32_t, 6> plain_architectures{SCMP_ARCH_X86_64, SCMP_ARCH_X86,
                                                           SCMP_ARCH_X32,    SCMP_ARCH_AARCH64,
                                                           SCMP_ARCH_ARM,    SCMP_ARCH_RISCV64};

bool has_short_registers(std::uint32_t token) {
    return token == SCMP_ARCH_X86 || token == SCMP_ARCH_X32 || token == SCMP_ARCH_ARM;
}

bool is_covered(const std::vector<std::uint32_t>& tokens) {
    const auto has = [&](std::uint32_t token) {
        return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
    };
    const bool plain = std::all_of(tokens.begin(), tokens.end(), [](std::uint32_t token) {
        return std::find(plain_architectures.begin(), plain_architectures.end(), token) !=
               plain_architectures.end();
    });
    // The two share what the kernel calls an architecture, and x86_64 is the greater part of it.
    return plain && (!has(SCMP_ARCH_X32) || has(SCMP_ARCH_X86_64));
}

ArgumentTest test_from(const scmp_arg_cmp& condition) {
    ArgumentTest test{.index = condition.arg, .mask = all_bits, .value = condition.datum_a};
    switch (condition.op) {
        case SCMP_CMP_NE: test.wanted = false; break;
        case SCMP_CMP_GT: test.kind = Kind::Greater; break;
        case SCMP_CMP_GE: test.kind = Kind::GreaterOrEqual; break;
        case SCMP_CMP_LE:
            test.kind = Kind::Greater;
            test.wanted = false;
            break;
        case SCMP_CMP_LT:
            test.kind = Kind::GreaterOrEqual;
            test.wanted = false;
            break;
        case SCMP_CMP_MASKED_EQ:
            test.masked = true;
            test.mask = condition.datum_a;
            test.value = condition.datum_b & condition.datum_a;
            break;
        default: break;  // SCMP_CMP_EQ
    }
    return test;
}

// What has to hold together. Two conditions on one argument are alternatives, as compile() has it.
std::vector<Tests> alternatives_from(const std::vector<oci::SeccompArg>& args) {
    Tests all;
    std::array<int, 6> seen{};
    bool twice = false;
    for (const oci::SeccompArg& arg : args) {
        all.push_back(test_from(seccomp::condition_from(arg)));
        twice = ++seen.at(all.back().index) > 1 || twice;
    }
    if (!twice) return {all};
    std::vector<Tests> each;
    for (const ArgumentTest& test : all) each.push_back({test});
    return each;
}

// As they are on this architecture, in the order of arguments, without those that always hold.
Tests fitted(const Tests& tests, std::uint32_t token) {
    Tests fitting;
    for (ArgumentTest test : tests) {
        if (has_short_registers(token)) {
            test.wide = false;
            test.mask &= low_bits;
            test.value &= low_bits;
        }
        if (test.mask != 0) fitting.push_back(test);
    }
    std::stable_sort(fitting.begin(), fitting.end(),
                     [](const auto& a, const auto& b) { return a.index < b.index; });
    return fitting;
}

// A call that stands for many.
struct SharedCall {
    std::uint32_t number;
    int base;  // libseccomp's number for case 1 is -(base + 1)
    // By case, from 0 on: the number that it has of its own since Linux 4.3; 0: none.
    std::span<const std::uint16_t> own;
};

// linux/net.h, linux/ipc.h; arch/x86/entry/syscalls/syscall_32.tbl
constexpr std::array<std::uint16_t, 21> socket_calls{0,   359, 361, 362, 363, 0,   367,
                                                     368, 360, 0,   0,   369, 371, 373,
                                                     366, 365, 370, 372, 364, 337, 345};
constexpr std::array<std::uint16_t, 25> ipc_calls{
    0, 0, 393, 394, 0, 0, 0, 0, 0, 0, 0, 400, 401, 399, 402, 0, 0, 0, 0, 0, 0, 397, 398, 395, 396};
constexpr std::array shared_calls{SharedCall{102, 100, socket_calls},
                                  SharedCall{117, 200, ipc_calls}};

// Of libseccomp's `number`, which is negative; nothing where the architecture has no such call.
const SharedCall* shared_call_of(int number) {
    for (const SharedCall& shared : shared_calls) {
        const int last = shared.base + static_cast<int>(shared.own.size()) - 1;
        if (-number > shared.base && -number <= last) return &shared;
    }
    return nullptr;
}

// `tests` are fitted.
void add_both_ways(ArchitectureRules& to, int number, const CallRule& rule) {
    const SharedCall* const shared = shared_call_of(number);
    if (shared == nullptr) return;
    const auto which = static_cast<std::uint32_t>(-number - shared->base);
    CallRule by_case = rule;
    std::erase_if(by_case.tests, [](const ArgumentTest& test) { return test.index == 0; });
    by_case.tests.insert(by_case.tests.begin(),
                         {.index = 0, .wide = false, .mask = low_bits, .value = which});
    to.rules.push_back({shared->number, std::move(by_case)});
    const std::uint32_t own = shared->own[which];
    if (own != 0) to.rules.push_back({own, rule});
}

// False where no architecture has such a call.
bool add_call(ArchitectureRules& to, const std::string& name, std::uint32_t action,
              const std::vector<Tests>& alternatives) {
    const int number = ::seccomp_syscall_resolve_name_arch(to.token, name.c_str());
    if (number == __NR_SCMP_ERROR) return false;
    const auto plain = static_cast<std::uint32_t>(number);
    if (number >= 0) to.newest = std::max(to.newest, std::optional{plain});
    for (const Tests& tests : alternatives) {
        CallRule rule{action, fitted(tests, to.token)};
        if (number >= 0) {
            to.rules.push_back({plain, std::move(rule)});
        } else if (to.token == SCMP_ARCH_X86) {
            add_both_ways(to, number, rule);
        }
    }
    return true;
}

void add_rule(PolicyRules& to, const oci::SeccompSyscall& source) {
    const std::uint32_t action = seccomp::action_from(source.action, source.errno_ret);
    // A rule that says what the default says is no rule, but its calls are known to the policy.
    const bool is_rule = action != to.fallback;
    const auto alternatives = is_rule ? alternatives_from(source.args) : std::vector<Tests>{};
    for (const std::string& name : source.names) {
        bool known = true;
        for (ArchitectureRules& each : to.architectures) {
            known = known && add_call(each, name, action, alternatives);
        }
        if (is_rule && !known) to.warnings.push_back(seccomp::unknown_call(name));
    }
}

// ---- rules about one call --------------------------------------------------------------------

// Whether no argument passes both, which are about whole values. False where that is not seen.
bool contradict(const ArgumentTest& a, const ArgumentTest& b) {
    if (a.index != b.index) return false;
    return a.wanted && b.wanted ? a.value != b.value : a.wanted != b.wanted && a.value == b.value;
}

bool exclude_each_other(const CallRule& a, const CallRule& b) {
    return std::any_of(a.tests.begin(), a.tests.end(), [&](const ArgumentTest& one) {
        return std::any_of(b.tests.begin(), b.tests.end(),
                           [&](const ArgumentTest& other) { return contradict(one, other); });
    });
}

// That one argument has not some value.
bool is_exception(const CallRule& rule) {
    return rule.tests.size() == 1 && !rule.tests.front().wanted;
}

// That arguments have some values, or is_exception().
bool is_plain(const CallRule& rule) {
    return std::all_of(rule.tests.begin(), rule.tests.end(), [&](const ArgumentTest& test) {
        return test.kind == Kind::Equal && !test.masked && (test.wanted || is_exception(rule));
    });
}

// libseccomp merges the tests of all rules for a call, and loses some where a value is asked for
// after other arguments by one rule, and excepted by another that came before or has its action.
bool keeps_apart(const CallRule& earlier, const CallRule& later) {
    if (!is_plain(earlier) || !is_plain(later)) return false;
    if (later.tests.size() > 1) return !is_exception(earlier);
    return earlier.tests.size() == 1 || !is_exception(later) || earlier.action != later.action;
}

bool may_follow(const CallRule& rule, const std::vector<CallRule>& others) {
    return std::all_of(others.begin(), others.end(), [&](const CallRule& other) {
        if (!keeps_apart(other, rule)) return false;
        return other.action == rule.action || exclude_each_other(rule, other);
    });
}

}  // namespace

std::optional<PolicyRules> rules_of(const oci::Seccomp& policy) {
    PolicyRules all;
    all.fallback = seccomp::action_from(policy.default_action, policy.default_errno_ret);
    const std::vector<std::uint32_t> tokens = seccomp::architectures_of(policy);
    if (!is_covered(tokens)) return std::nullopt;
    for (const std::uint32_t token : tokens) all.architectures.push_back({.token = token});
    for (const oci::SeccompSyscall& rule : policy.syscalls) add_rule(all, rule);
    return all;
}

std::optional<Verdict> verdict_of(std::span<const NumberedRule> rules, std::uint32_t fallback) {
    Verdict verdict{.otherwise = fallback};
    for (const auto& [number, rule] : rules) {
        if (rule.tests.empty()) return Verdict{.otherwise = rule.action};
        std::vector<CallRule>& before = verdict.rules;
        if (std::find(before.begin(), before.end(), rule) != before.end()) continue;
        if (!may_follow(rule, before)) return std::nullopt;
        before.push_back(rule);
    }
    return verdict;
}

}  // namespace tenon::ext
