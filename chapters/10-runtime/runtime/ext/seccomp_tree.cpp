#include "seccomp_tree.hpp"

#include <seccomp.h>

#include <bit>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "seccomp_code.hpp"
#include "seccomp_ranges.hpp"
#include "tenon/seccomp_bpf.hpp"
#include "tenon/seccomp_words.hpp"
#include "tenon/trace.hpp"

namespace tenon::ext {

namespace {

using Kind = ArgumentTest::Kind;

// The two words of an argument, of a machine that has the low one first. seccomp(2)
std::uint32_t low_word(std::uint32_t index) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}
std::uint32_t high_word(std::uint32_t index) {
    return low_word(index) + std::uint32_t{sizeof(std::uint32_t)};
}
std::uint32_t low_half(std::uint64_t word) {
    return static_cast<std::uint32_t>(word);
}
std::uint32_t high_half(std::uint64_t word) {
    return static_cast<std::uint32_t>(word >> 32U);
}

// Where a comparison leads.
struct Ways {
    Place yes;
    Place no;
};

class TreeWriter {
  public:
    seccomp::Program write(const std::vector<AuditArchitecture>& architectures);

  private:
    // With the number in the accumulator.
    Place search(std::span<const CallRange> ranges);
    Place decide(const Verdict& verdict);
    Place write_rules(const Verdict& verdict);
    Place write_rule(const CallRule& rule, Place next);
    Place test(const ArgumentTest& test, Ways ways);
    Place test_equal(const ArgumentTest& test, Ways ways);
    Place test_greater(const ArgumentTest& test, Ways ways);
    // One word of it: the bits `mask`, compared to `value`.
    Place compare_bits(std::uint32_t offset, std::uint32_t mask, std::uint32_t value, Ways ways);

    BackwardCode code_;
    std::vector<std::pair<Verdict, Place>> decided_;  // with rules, so as not to write them twice
};

Place TreeWriter::compare_bits(std::uint32_t offset, std::uint32_t mask, std::uint32_t value,
                               Ways ways) {
    Place compare = code_.branch(BPF_JEQ, value, ways.yes, ways.no);
    if (mask != UINT32_MAX) compare = code_.keep_bits(mask, compare);
    return code_.load(offset, compare);
}

Place TreeWriter::test_equal(const ArgumentTest& test, Ways ways) {
    // A half that nobody looks at has all bits of its mask 0: of a short register the high one.
    if (low_half(test.mask) != 0) {
        ways.yes =
            compare_bits(low_word(test.index), low_half(test.mask), low_half(test.value), ways);
    }
    if (high_half(test.mask) == 0) return ways.yes;
    return compare_bits(high_word(test.index), high_half(test.mask), high_half(test.value), ways);
}

// The high halves decide, or they are the same and the low ones do.
Place TreeWriter::test_greater(const ArgumentTest& test, Ways ways) {
    const std::uint16_t last = test.kind == Kind::Greater ? BPF_JGT : BPF_JGE;
    const Place low = code_.load(low_word(test.index),
                                 code_.branch(last, low_half(test.value), ways.yes, ways.no));
    if (!test.wide) return low;
    const Place same = code_.branch(BPF_JEQ, high_half(test.value), low, ways.no);
    return code_.load(high_word(test.index),
                      code_.branch(BPF_JGT, high_half(test.value), ways.yes, same));
}

Place TreeWriter::test(const ArgumentTest& test, Ways ways) {
    if (!test.wanted) std::swap(ways.yes, ways.no);
    return test.kind == Kind::Equal ? test_equal(test, ways) : test_greater(test, ways);
}

Place TreeWriter::write_rule(const CallRule& rule, Place next) {
    Place begin = code_.give_back(rule.action);
    for (std::size_t left = rule.tests.size(); left > 0; --left) {
        begin = test(rule.tests[left - 1], {.yes = begin, .no = next});
    }
    return begin;
}

Place TreeWriter::write_rules(const Verdict& verdict) {
    Place next = code_.give_back(verdict.otherwise);
    for (std::size_t left = verdict.rules.size(); left > 0; --left) {
        next = write_rule(verdict.rules[left - 1], next);
    }
    return next;
}

Place TreeWriter::decide(const Verdict& verdict) {
    if (verdict.rules.empty()) return code_.give_back(verdict.otherwise);
    for (const auto& [known, place] : decided_) {
        if (known == verdict) return place;
    }
    const Place place = write_rules(verdict);
    decided_.emplace_back(verdict, place);
    return place;
}

// Whether the middle one of three is one call among others that are treated alike.
bool is_single_exception(std::span<const CallRange> ranges) {
    return ranges.size() == 3 && ranges[2].first - ranges[1].first == 1 &&
           ranges[0].verdict == ranges[2].verdict;
}

Place TreeWriter::search(std::span<const CallRange> ranges) {
    if (ranges.size() == 1) return decide(ranges.front().verdict);
    if (is_single_exception(ranges)) {
        const Place others = decide(ranges[0].verdict);
        return code_.branch(BPF_JEQ, ranges[1].first, decide(ranges[1].verdict), others);
    }
    const std::size_t middle = ranges.size() / 2;
    const Place above = search(ranges.subspan(middle));
    const Place below = search(ranges.first(middle));
    return code_.branch(BPF_JGE, ranges[middle].first, above, below);
}

seccomp::Program TreeWriter::write(const std::vector<AuditArchitecture>& architectures) {
    // As libseccomp: a program for another architecture is none that the policy knows.
    Place next = code_.give_back(SCMP_ACT_KILL);
    for (std::size_t left = architectures.size(); left > 0; --left) {
        const AuditArchitecture& each = architectures[left - 1];
        const Place calls = code_.load(seccomp::bpf::number_offset, search(each.ranges));
        next = code_.branch(BPF_JEQ, each.number, calls, next);
    }
    code_.load(seccomp::bpf::arch_offset, next);
    return code_.program();
}

}  // namespace

std::optional<seccomp::Filter> compile_tree(const oci::Seccomp& policy) {
    const trace::Step step{10, "compile the filter", "a search tree, instead of a list of numbers"};
    seccomp::Filter filter{.flags = seccomp::flags_from(policy),
                           .wants_listener = seccomp::notifies(policy)};
    std::optional<PolicyRules> rules = rules_of(policy);
    if (!rules || std::endian::native != std::endian::little) return std::nullopt;
    filter.warnings = std::move(rules->warnings);
    const auto architectures = ranges_of(std::move(*rules));
    if (!architectures) return std::nullopt;
    filter.program = TreeWriter{}.write(*architectures);
    if (!seccomp::fault_in(filter.program).empty()) return std::nullopt;
    return filter;
}

seccomp::Filter compile_by_tree(const oci::Seccomp& policy) {
    std::optional<seccomp::Filter> filter = compile_tree(policy);
    return filter ? std::move(*filter) : seccomp::compile(policy);
}

}  // namespace tenon::ext
