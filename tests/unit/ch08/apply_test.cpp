// 08.2: five sets and a user, in the one order that the kernel takes.
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>

#include "capability_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/process.hpp"

namespace tenon::test {

namespace {

oci::User random_user() {
    const auto id = [] { return static_cast<std::uint32_t>(1 + random_below(60000)); };
    oci::User user;
    user.uid = id();
    user.gid = id();
    user.additional_gids = {id()};
    return user;
}

// What is seen of a process after apply_capabilities(), or how that was refused.
struct Applied {
    Capabilities sets;
    std::string refused;
    std::string uid;
    std::string gid;
    std::string groups;
};

Applied after_applying(
    const Capabilities& wanted, const oci::User& user,
    const std::function<void()>& before = [] {}) {
    step(fmt::format("apply_capabilities for uid {}: {}", user.uid, in_words(wanted)));
    Applied applied;
    try {
        const Inside child{CLONE_NEWUTS, [&] {
                               before();
                               apply_capabilities(wanted, user);
                           }};
        applied = {capabilities_of(child.pid()), "", status_field(child.pid(), "Uid"),
                   status_field(child.pid(), "Gid"), status_field(child.pid(), "Groups")};
        step("the kernel says: " + in_words(applied.sets));
    } catch (const SysError& error) {
        applied.refused = refusal_text(error);
        step("it was refused: " + applied.refused);
    }
    return applied;
}

void expect_accepted(const Applied& applied) {
    fact("ids_took_all", applied.refused.starts_with("capset"));
    fact("ids_refused", applied.refused.starts_with("set"));
    fact("bounding_refused", applied.refused.starts_with("prctl PR_CAPBSET_DROP"));
    fact("ambient_refused", applied.refused.starts_with("prctl PR_CAP_AMBIENT_RAISE"));
    TENON_EXPECT(applied.refused.empty(), "accepted", applied.refused);
}

void expect_sets(const Applied& applied, const Capabilities& wanted) {
    expect_accepted(applied);
    fact("bounding_wrong", applied.sets.bounding != wanted.bounding);
    fact("permitted_wrong", applied.sets.permitted != wanted.permitted);
    fact("effective_wrong", applied.sets.effective != wanted.effective);
    fact("inheritable_wrong", applied.sets.inheritable != wanted.inheritable);
    fact("ambient_wrong", applied.sets.ambient != wanted.ambient);
    fact("effective_lost", applied.sets.effective.empty() && !wanted.effective.empty());
    fact("upper_word_lost",
         (applied.sets.permitted.bits() >> 32) == 0 && (wanted.permitted.bits() >> 32) != 0);
    TENON_EXPECT(applied.sets == wanted, in_words(wanted), in_words(applied.sets));
}

// Sets in which each list differs from each other.
Capabilities five_different_sets() {
    return {.bounding = {CAP_CHOWN, CAP_KILL, CAP_SETUID, CAP_SYSLOG, CAP_MKNOD},
            .effective = {CAP_KILL, CAP_SYSLOG},
            .inheritable = {CAP_CHOWN, CAP_KILL, CAP_MKNOD},
            .permitted = {CAP_CHOWN, CAP_KILL, CAP_SYSLOG, CAP_FOWNER},
            .ambient = {CAP_CHOWN}};
}

// What the next program of such a process has, as it says itself.
Capabilities in_the_program(const Capabilities& wanted, const oci::User& user,
                            bool no_new_privileges = false) {
    const std::string status = run_inside(CLONE_NEWUTS, [&] {
        apply_capabilities(wanted, user);
        if (no_new_privileges) set_no_new_privs();
        return run_process({"cat", "/proc/self/status"}).out;
    });
    const auto set = [&](std::string_view field) {
        const std::size_t at = status.find(fmt::format("\n{}:", field));
        return CapabilitySet::from_bits(
            std::stoull(status.substr(at + field.size() + 2), nullptr, 16));
    };
    return {.bounding = set("CapBnd"),
            .effective = set("CapEff"),
            .inheritable = set("CapInh"),
            .permitted = set("CapPrm"),
            .ambient = set("CapAmb")};
}

}  // namespace

TEST_CASE("apply_capabilities gives each of the five sets what it shall have",
          "[08.2][uses-08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Capabilities wanted = five_different_sets();
    expect_sets(after_applying(wanted, {}), wanted);
}

TEST_CASE("apply_capabilities gives any sets", "[08.2][uses-08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    for (int round = 0; round < 20; ++round) {
        const Capabilities wanted = random_capabilities(all_we_have());
        expect_sets(after_applying(wanted, {}), wanted);
    }
}

TEST_CASE("apply_capabilities gives nothing where nothing is listed", "[08.2][uses-08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    expect_sets(after_applying({}, {}), {});
}

TEST_CASE("a user other than root has the same five sets", "[08.2][uses-08.1]") {
    TENON_NEED(is_real_root(), "needs root: other ids are not mapped in the test's user namespace");
    const oci::User user = random_user();
    const Capabilities wanted = five_different_sets();
    const Applied applied = after_applying(wanted, user);
    expect_sets(applied, wanted);
    const std::string uids = fmt::format("{0}\t{0}\t{0}\t{0}", user.uid);
    const std::string gids = fmt::format("{0}\t{0}\t{0}\t{0}", user.gid);
    TENON_EXPECT(applied.uid == uids, uids, applied.uid);
    TENON_EXPECT(applied.gid == gids, gids, applied.gid);
    const std::string groups = fmt::format("{} ", user.additional_gids[0]);
    TENON_EXPECT(applied.groups == groups, groups, applied.groups);
}

TEST_CASE("a user without any capability is reached all the same", "[08.2][uses-08.1]") {
    TENON_NEED(is_real_root(), "needs root: other ids are not mapped in the test's user namespace");
    expect_sets(after_applying({}, random_user()), {});
}

TEST_CASE("what the caller could pass on is not passed on", "[08.2][uses-08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const auto pass_on = [] {
        sys::CapabilityBits bits = sys::capget();
        bits.inheritable = bits.permitted;
        sys::capset(bits);
        sys::ambient_raise(CAP_NET_RAW);
        sys::ambient_raise(CAP_CHOWN);
    };
    Capabilities wanted{.bounding = {CAP_CHOWN, CAP_NET_RAW},
                        .effective = {CAP_CHOWN, CAP_NET_RAW},
                        .inheritable = {CAP_NET_RAW},
                        .permitted = {CAP_CHOWN, CAP_NET_RAW},
                        .ambient = {}};
    const Applied applied = after_applying(wanted, {}, pass_on);
    fact("inherited_from_the_caller", !(applied.sets.inheritable - wanted.inheritable).empty());
    fact("ambient_from_the_caller", applied.sets.ambient == CapabilitySet{CAP_NET_RAW});
    expect_sets(applied, wanted);
}

TEST_CASE("an ordinary user's program has what is ambient", "[08.2][uses-08.1]") {
    TENON_NEED(is_real_root(), "needs root: other ids are not mapped in the test's user namespace");
    const CapabilitySet some{CAP_NET_BIND_SERVICE, CAP_CHOWN, CAP_SYSLOG};
    const Capabilities wanted{.bounding = some,
                              .effective = some,
                              .inheritable = some,
                              .permitted = some,
                              .ambient = {CAP_NET_BIND_SERVICE, CAP_SYSLOG}};
    const Capabilities seen = in_the_program(wanted, random_user());
    step("its program says: " + in_words(seen));
    fact("ambient_lost", seen.ambient.empty());
    TENON_EXPECT(seen.effective == wanted.ambient, "effective " + names_of(wanted.ambient),
                 "effective " + names_of(seen.effective));
    TENON_EXPECT(seen == after_exec(wanted, false), in_words(after_exec(wanted, false)),
                 in_words(seen));
}

TEST_CASE("a program has what after_exec() says", "[08.2][uses-08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    for (int round = 0; round < 10; ++round) {
        const bool root = !is_real_root() || random_below(2) == 0;
        const bool no_new_privileges = random_below(2) == 0;
        const Capabilities before = random_capabilities(all_we_have());
        const Capabilities seen =
            in_the_program(before, root ? oci::User{} : random_user(), no_new_privileges);
        const Capabilities wanted = after_exec(before, root, no_new_privileges);
        step(fmt::format("{}{} with {}", root ? "root" : "a user",
                         no_new_privileges ? ", no_new_privs," : "", in_words(before)));
        TENON_EXPECT(seen == wanted, in_words(wanted), in_words(seen));
    }
}

TEST_CASE("the next change of ids clears what it always clears", "[08.2][uses-08.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string kept = run_inside(CLONE_NEWUTS, [] {
        apply_capabilities(five_different_sets(), {});
        return std::to_string(::prctl(PR_GET_KEEPCAPS));
    });
    fact("keepcaps_left_on", kept != "0");
    TENON_EXPECT(kept == "0", "PR_GET_KEEPCAPS 0", "PR_GET_KEEPCAPS " + kept);
}

}  // namespace tenon::test
