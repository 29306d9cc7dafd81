// 08.1: the set that no execve exceeds.
#include <linux/capability.h>
#include <sched.h>

#include "capability_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/process.hpp"

namespace tenon::test {

namespace {

constexpr std::uint64_t upper_word = 0xffffffff00000000;

// The sets of a process that has dropped all but `keep`.
Capabilities after_dropping(const CapabilitySet& keep) {
    const Inside child{CLONE_NEWUTS, [&] { drop_bounding(keep); }};
    const Capabilities seen = capabilities_of(child.pid());
    step("drop_bounding(" + names_of(keep) + ")");
    step("CapBnd is " + names_of(seen.bounding));
    return seen;
}

CapabilitySet without_last(CapabilitySet set) {
    set.erase(last_capability());
    return set;
}

}  // namespace

TEST_CASE("drop_bounding leaves what is to be kept, and nothing else", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const CapabilitySet own = own_capabilities().bounding;
    // At least one of the upper word goes, and one stays.
    CapabilitySet keep = random_part_of(own);
    keep.insert(CAP_SYSLOG);
    keep.erase(CAP_MAC_ADMIN);
    const CapabilitySet wanted = keep & own;
    const CapabilitySet left = after_dropping(keep).bounding;
    fact("inverted", left == own - keep);
    fact("nothing_dropped", left == own);
    fact("upper_word_left", left != wanted && ((left - keep).bits() & ~upper_word) == 0);
    TENON_EXPECT(left == wanted, "CapBnd " + names_of(wanted), names_of(left));
}

TEST_CASE("drop_bounding reaches the last capability that the kernel knows", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const CapabilitySet keep = without_last(own_capabilities().bounding);
    const CapabilitySet left = after_dropping(keep).bounding;
    fact("last_left", left.contains(last_capability()));
    TENON_EXPECT(left == keep, "CapBnd " + names_of(keep), names_of(left));
}

TEST_CASE("drop_bounding stops where the kernel's capabilities end", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    std::string said;
    try {
        said = names_of(after_dropping({}).bounding);
    } catch (const SysError& error) {
        said = refusal_text(error);
    }
    fact("asked_beyond_the_end", said.ends_with("EINVAL"));
    TENON_EXPECT(said == "none", "an empty CapBnd", said);
}

TEST_CASE("drop_bounding changes no other set", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Capabilities before = own_capabilities();
    const CapabilitySet keep = random_part_of(before.bounding - CapabilitySet{CAP_SETPCAP});
    Capabilities after = after_dropping(keep);
    fact("lowered_permitted", after.permitted != before.permitted);
    after.bounding = before.bounding;
    TENON_EXPECT(after == before, in_words(before), in_words(after));
}

TEST_CASE("drop_bounding asks for nothing that is gone already", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const CapabilitySet keep = random_part_of(own_capabilities().bounding);
    const std::string said = run_inside(CLONE_NEWUTS, [&] {
        for (const Capability member : (own_capabilities().bounding - keep).members()) {
            sys::capbset_drop(member);
        }
        sys::capset({});  // no CAP_SETPCAP any more
        return refusal([&] { drop_bounding(keep); });
    });
    step("a process with no capability, whose bounding set is as it shall be: " + said);
    fact("dropped_needlessly", said.ends_with("EPERM"));
    TENON_EXPECT(said == "accepted", "accepted", said);
}

TEST_CASE("drop_bounding needs CAP_SETPCAP, and says so", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string said = run_inside(CLONE_NEWUTS, [&] {
        sys::capset({});
        return refusal([&] { drop_bounding({}); });
    });
    fact("refusal_swallowed", said == "accepted");
    TENON_EXPECT(said == "prctl PR_CAPBSET_DROP: EPERM", "prctl PR_CAPBSET_DROP: EPERM", said);
}

TEST_CASE("root's next program has no more than the bounding set", "[08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const CapabilitySet keep = random_part_of(all_we_have() - CapabilitySet{CAP_SYS_ADMIN});
    const std::string status = run_inside(CLONE_NEWUTS, [&] {
        drop_bounding(keep);
        return run_process({"cat", "/proc/self/status"}).out;
    });
    const std::size_t at = status.find("CapPrm:");
    const CapabilitySet got =
        CapabilitySet::from_bits(std::stoull(status.substr(at + 7), nullptr, 16));
    step("of a program started as root afterwards, CapPrm is " + names_of(got));
    TENON_EXPECT(got == keep, names_of(keep), names_of(got));
}

}  // namespace tenon::test
