#include "seccomp_ranges.hpp"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "tenon/seccomp_bpf.hpp"
#include "tenon/seccomp_words.hpp"

namespace tenon::ext {

namespace {

// Wide enough for the end of the last range.
using Number = std::uint64_t;

// A part of the numbers in which the same things are said about the rest.
struct Part {
    Number first = 0;
    Number end = 0;                            // the first one behind it
    std::span<const NumberedRule> rules = {};  // in ascending order; all lie in it
    std::uint32_t otherwise = 0;               // what happens to a call that no rule is about
    std::optional<std::uint32_t> newest = {};  // calls above fail with ENOSYS
};

void extend(CallRanges& ranges, Number first, Verdict verdict) {
    if (!ranges.empty() && ranges.back().verdict == verdict) return;
    ranges.push_back({static_cast<std::uint32_t>(first), std::move(verdict)});
}

// The rules about the first call, taken off.
std::span<const NumberedRule> take_call(std::span<const NumberedRule>& rules) {
    const std::uint32_t number = rules.front().number;
    const auto end = std::find_if(rules.begin(), rules.end(),
                                  [&](const NumberedRule& each) { return each.number != number; });
    const auto count = static_cast<std::size_t>(end - rules.begin());
    const std::span<const NumberedRule> taken = rules.first(count);
    rules = rules.subspan(count);
    return taken;
}

// False where rules of a call overlap, also of one that is too new to be asked about: libseccomp
// does not know that, and would refuse them.
bool add_part(CallRanges& ranges, Part part, std::uint32_t fallback) {
    const Number end_of_known =
        part.newest ? std::clamp(Number{*part.newest} + 1, part.first, part.end) : part.end;
    Number next = part.first;
    while (!part.rules.empty()) {
        const Number number = part.rules.front().number;
        std::optional<Verdict> verdict = verdict_of(take_call(part.rules), fallback);
        if (!verdict) return false;
        if (number >= end_of_known) continue;
        if (number > next) extend(ranges, next, {.otherwise = part.otherwise});
        extend(ranges, number, std::move(*verdict));
        next = number + 1;
    }
    if (next < end_of_known) extend(ranges, next, {.otherwise = part.otherwise});
    if (end_of_known < part.end) {
        extend(ranges, end_of_known, {.otherwise = SECCOMP_RET_ERRNO | ENOSYS});
    }
    return true;
}

// From here on x32; but who looks at one bit only takes the next 2^30 for x86_64 again.
constexpr Number x32_begin = seccomp::bpf::x32_bit;
constexpr Number bit_ends = x32_begin << 1U;
constexpr Number bit_again = bit_ends + x32_begin;
constexpr Number no_call = 0xffffffff;  // -1: a tracer has put it there, to skip the call
constexpr Number end_of_all = no_call + 1;

// `x32` is null where the policy does not list it.
std::optional<CallRanges> ranges_of_x86_64(const ArchitectureRules& own,
                                           const ArchitectureRules* x32, std::uint32_t fallback) {
    const std::uint32_t foreign = x32 == nullptr ? std::uint32_t{SCMP_ACT_KILL} : fallback;
    const auto newest_x32 = x32 == nullptr ? std::nullopt : x32->newest;
    const auto rules_x32 = x32 == nullptr ? std::span<const NumberedRule>{} : std::span{x32->rules};
    CallRanges ranges;
    for (const Part& part :
         {Part{0, x32_begin, own.rules, fallback, own.newest},
          Part{x32_begin, bit_ends, rules_x32, foreign, newest_x32},
          Part{.first = bit_ends, .end = bit_again, .otherwise = foreign, .newest = own.newest},
          Part{.first = bit_again, .end = no_call, .otherwise = foreign, .newest = newest_x32},
          Part{.first = no_call, .end = end_of_all, .otherwise = fallback, .newest = newest_x32}}) {
        if (!add_part(ranges, part, fallback)) return std::nullopt;
    }
    return ranges;
}

std::optional<CallRanges> ranges_of_other(const ArchitectureRules& own, std::uint32_t fallback) {
    CallRanges ranges;
    if (!add_part(ranges, {0, end_of_all, own.rules, fallback, own.newest}, fallback)) {
        return std::nullopt;
    }
    return ranges;
}

// In ascending order, those of one call in the policy's; without what nobody is going to ask for.
void prepare(ArchitectureRules& rules, bool refuses_new_calls) {
    std::stable_sort(
        rules.rules.begin(), rules.rules.end(),
        [](const NumberedRule& a, const NumberedRule& b) { return a.number < b.number; });
    if (!refuses_new_calls) rules.newest.reset();
}

}  // namespace

std::optional<std::vector<AuditArchitecture>> ranges_of(PolicyRules policy) {
    const ArchitectureRules* x32 = nullptr;
    for (ArchitectureRules& each : policy.architectures) {
        prepare(each, seccomp::refuses_new_calls(policy.fallback));
        if (each.token == SCMP_ARCH_X32) x32 = &each;
    }
    std::vector<AuditArchitecture> made;
    for (const ArchitectureRules& each : policy.architectures) {
        if (each.token == SCMP_ARCH_X32) continue;
        auto ranges = each.token == SCMP_ARCH_X86_64 ? ranges_of_x86_64(each, x32, policy.fallback)
                                                     : ranges_of_other(each, policy.fallback);
        if (!ranges) return std::nullopt;
        made.push_back({seccomp::audit_arch_of(each.token), std::move(*ranges)});
    }
    return made;
}

}  // namespace tenon::ext
