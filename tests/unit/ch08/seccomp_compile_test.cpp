// 08.3: what becomes of a policy, judged by running the program.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

#include "catch.hpp"
#include "policies.hpp"
#include "story.hpp"
#include "tenon/seccomp.hpp"

namespace tenon::test {

namespace {

using seccomp::action_text;

// What compile() throws, or "compiled".
std::string verdict(const oci::Seccomp& policy) {
    try {
        seccomp::compile(policy);
        return "compiled";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("compile gives each named call its action, and the rest the default", "[08.3]") {
    oci::Seccomp wanted = policy("SCMP_ACT_ERRNO", {rule({"read", "write"}, "SCMP_ACT_ALLOW"),
                                                    rule({"mkdir"}, "SCMP_ACT_KILL_PROCESS"),
                                                    rule({"getcwd"}, "SCMP_ACT_ERRNO")});
    wanted.default_errno_ret = EACCES;
    wanted.syscalls[2].errno_ret = ENOTDIR;
    const seccomp::Filter filter = seccomp::compile(wanted);
    const auto told = [&](const char* name) {
        const std::string text = action_text(native(filter.program, name));
        step(fmt::format("{}: {}", name, text));
        return text;
    };
    TENON_EXPECT(told("read") == "allow", "read: allow", told("read"));
    TENON_EXPECT(told("write") == "allow", "write: allow", told("write"));
    TENON_EXPECT(told("mkdir") == "kill process", "mkdir: kill process", told("mkdir"));
    TENON_EXPECT(told("getcwd") == "errno ENOTDIR", "getcwd: errno ENOTDIR", told("getcwd"));
    TENON_EXPECT(told("open") == "errno EACCES", "open: errno EACCES", told("open"));
}

TEST_CASE("compile closes the door of every architecture", "[08.3]") {
    oci::Seccomp wanted = policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_ERRNO")});
    wanted.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    const seccomp::Program program = seccomp::compile(wanted).program;
    constexpr std::uint32_t i386_mkdir = 39;
    const auto told = [&](std::uint32_t arch, std::uint32_t number) {
        return action_text(seccomp::evaluate(program, call_of(arch, number)));
    };
    const std::string x86 = told(AUDIT_ARCH_I386, i386_mkdir);
    const std::string x32 = told(AUDIT_ARCH_X86_64, number_of("mkdir") | x32_bit);
    const std::string other = told(AUDIT_ARCH_I386, 20);
    fact("other_architectures_missing", x86 == "kill thread" && other == "kill thread");
    TENON_EXPECT(x86 == "errno EPERM", "mkdir by int 0x80: errno EPERM", x86);
    TENON_EXPECT(x32 == "errno EPERM", "mkdir of x32: errno EPERM", x32);
    TENON_EXPECT(other == "allow", "getpid by int 0x80: allow", other);
}

TEST_CASE("compile takes conditions on one argument as alternatives", "[08.3]") {
    const oci::Seccomp wanted =
        policy("SCMP_ACT_ERRNO", {rule({"personality"}, "SCMP_ACT_ALLOW",
                                       {arg(0, "SCMP_CMP_EQ", 0), arg(0, "SCMP_CMP_EQ", 8)})});
    const std::string said = verdict(wanted);
    fact("same_argument_refused", said != "compiled");
    TENON_EXPECT(said == "compiled", "a filter", said);
    const seccomp::Program program = seccomp::compile(wanted).program;
    const auto told = [&](std::uint64_t value) {
        return action_text(native(program, "personality", {value}));
    };
    fact("same_argument_together", told(8) != "allow");
    TENON_EXPECT(told(0) == "allow", "personality(0): allow", told(0));
    TENON_EXPECT(told(8) == "allow", "personality(8): allow", told(8));
    TENON_EXPECT(told(1) == "errno EPERM", "personality(1): errno EPERM", told(1));
}

TEST_CASE("compile wants conditions on several arguments all to hold", "[08.3]") {
    const seccomp::Program program =
        seccomp::compile(
            policy("SCMP_ACT_ALLOW", {rule({"socket"}, "SCMP_ACT_ERRNO",
                                           {arg(0, "SCMP_CMP_EQ", 16), arg(2, "SCMP_CMP_EQ", 9)})}))
            .program;
    const auto told = [&](std::uint64_t domain, std::uint64_t protocol) {
        return action_text(native(program, "socket", {domain, 0, protocol}));
    };
    fact("any_condition_is_enough", told(16, 0) != "allow");
    TENON_EXPECT(told(16, 9) == "errno EPERM", "socket(16, 0, 9): errno EPERM", told(16, 9));
    TENON_EXPECT(told(16, 0) == "allow", "socket(16, 0, 0): allow", told(16, 0));
    TENON_EXPECT(told(2, 9) == "allow", "socket(2, 0, 9): allow", told(2, 9));
}

TEST_CASE("compile passes over a call that nobody knows, and says so", "[08.3]") {
    const oci::Seccomp wanted =
        policy("SCMP_ACT_ERRNO", {rule({"read", "read_minds", "write"}, "SCMP_ACT_ALLOW")});
    const std::string said = verdict(wanted);
    fact("unknown_call_refused", said != "compiled");
    TENON_EXPECT(said == "compiled", "a filter", said);
    const seccomp::Filter filter = seccomp::compile(wanted);
    const std::string warnings = fmt::format("{}", fmt::join(filter.warnings, "; "));
    fact("unknown_call_unsaid", filter.warnings.empty());
    TENON_EXPECT(filter.warnings.size() == 1 && says(warnings, "\"read_minds\""),
                 "one warning, about read_minds", warnings);
    const std::string write = action_text(native(filter.program, "write"));
    fact("rest_of_rule_lost", write != "allow");
    TENON_EXPECT(write == "allow", "write: allow", write);
}

TEST_CASE("compile leaves out a rule that says what the default says", "[08.3]") {
    const oci::Seccomp wanted = policy(
        "SCMP_ACT_ALLOW", {rule({"read"}, "SCMP_ACT_ALLOW"), rule({"mkdir"}, "SCMP_ACT_ERRNO")});
    const std::string said = verdict(wanted);
    fact("default_rule_refused", says(said, "EACCES"));
    TENON_EXPECT(said == "compiled", "a filter", said);
    const std::string mkdir = action_text(native(seccomp::compile(wanted).program, "mkdir"));
    TENON_EXPECT(mkdir == "errno EPERM", "mkdir: errno EPERM", mkdir);
}

TEST_CASE("compile has calls newer than the policy fail with ENOSYS", "[08.3]") {
    const seccomp::Program program =
        seccomp::compile(policy("SCMP_ACT_ERRNO", {rule({"read", "statx"}, "SCMP_ACT_ALLOW")}))
            .program;
    const std::string older = action_text(native(program, "mkdir"));
    const std::string newer = action_text(native(program, "clone3"));
    const std::string last = action_text(native(program, "statx"));
    fact("new_calls_forbidden", newer == "errno EPERM");
    TENON_EXPECT(older == "errno EPERM", "mkdir, which is older than statx: errno EPERM", older);
    TENON_EXPECT(last == "allow", "statx itself: allow", last);
    TENON_EXPECT(newer == "errno ENOSYS", "clone3, which is newer than statx: errno ENOSYS", newer);
}

TEST_CASE("compile lets new calls be where the default lets them be", "[08.3]") {
    for (const char* const fallback :
         {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"}) {
        const seccomp::Program program =
            seccomp::compile(policy(fallback, {rule({"read"}, "SCMP_ACT_KILL")})).program;
        const std::string newer = action_text(native(program, "clone3"));
        TENON_EXPECT(newer != "errno ENOSYS", fmt::format("clone3: {}", fallback), newer);
    }
}

TEST_CASE("compile knows every action", "[08.3]") {
    const seccomp::Program program =
        seccomp::compile(
            policy("SCMP_ACT_ALLOW",
                   {rule({"read"}, "SCMP_ACT_KILL"), rule({"write"}, "SCMP_ACT_KILL_THREAD"),
                    rule({"open"}, "SCMP_ACT_KILL_PROCESS"), rule({"close"}, "SCMP_ACT_TRAP"),
                    rule({"stat"}, "SCMP_ACT_TRACE"), rule({"poll"}, "SCMP_ACT_LOG"),
                    rule({"lseek"}, "SCMP_ACT_NOTIFY")}))
            .program;
    const std::vector<std::pair<const char*, const char*>> expected{
        {"read", "kill thread"}, {"write", "kill thread"}, {"open", "kill process"},
        {"close", "trap"},       {"stat", "trace 1"},      {"poll", "log"},
        {"lseek", "notify"},     {"mmap", "allow"}};
    for (const auto& [name, action] : expected) {
        const std::string told = action_text(native(program, name));
        TENON_EXPECT(told == action, fmt::format("{}: {}", name, action), told);
    }
}

TEST_CASE("compile keeps flags, and knows that a listener is wanted", "[08.3]") {
    oci::Seccomp wanted = policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")});
    wanted.flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                    "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
    const seccomp::Filter filter = seccomp::compile(wanted);
    CHECK(filter.flags == (2U | 4U | 32U));
    CHECK(filter.wants_listener);
    wanted = policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_ERRNO")});
    CHECK_FALSE(seccomp::compile(wanted).wants_listener);
    CHECK(seccomp::compile(wanted).flags == 0);
    CHECK(seccomp::compile(policy("SCMP_ACT_NOTIFY", {})).wants_listener);
}

TEST_CASE("compile refuses what has no meaning, and says what would have", "[08.3]") {
    const auto with = [](auto change) {
        oci::Seccomp wanted = policy(
            "SCMP_ACT_ALLOW", {rule({"read"}, "SCMP_ACT_ERRNO", {arg(0, "SCMP_CMP_EQ", 1)})});
        change(wanted);
        return verdict(wanted);
    };
    CHECK(with([](oci::Seccomp&) {}) == "compiled");
    CHECK(says(with([](oci::Seccomp& p) { p.default_action = "SCMP_ACT_MAYBE"; }),
               R"("SCMP_ACT_MAYBE" is no action: use SCMP_ACT_KILL,)"));
    CHECK(says(with([](oci::Seccomp& p) { p.syscalls[0].action = ""; }), "is no action"));
    CHECK(says(with([](oci::Seccomp& p) { p.syscalls[0].args[0].op = "SCMP_CMP_EQUAL"; }),
               "is no operator: use SCMP_CMP_NE,"));
    CHECK(says(with([](oci::Seccomp& p) { p.syscalls[0].args[0].index = 6; }),
               "arguments 0 to 5, no argument 6"));
    CHECK(says(with([](oci::Seccomp& p) { p.flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"}; }),
               "is no flag"));
    CHECK(says(with([](oci::Seccomp& p) { p.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}; }),
               "no rule says SCMP_ACT_NOTIFY"));
    CHECK(says(with([](oci::Seccomp& p) { p.architectures = {"SCMP_ARCH_VAX"}; }),
               R"(no architecture "SCMP_ARCH_VAX")"));
    CHECK(says(with([](oci::Seccomp& p) { p.architectures = {"x86_64"}; }), "no architecture"));
    CHECK(says(with([](oci::Seccomp& p) { p.architectures = {"SCMP_ARCH_S390X"}; }),
               "different byte orders"));
    CHECK(says(with([](oci::Seccomp& p) { p.default_errno_ret = 1; }),
               "SCMP_ACT_ALLOW has no errno"));
    CHECK(says(with([](oci::Seccomp& p) { p.syscalls[0].errno_ret = 4096; }), "up to 4095"));
    CHECK(says(with([](oci::Seccomp& p) {
                   p.syscalls.push_back(
                       rule({"read"}, "SCMP_ACT_KILL", {arg(0, "SCMP_CMP_EQ", 1)}));
               }),
               "two rules for read have the same conditions"));
}

TEST_CASE("compile refuses a filter that is too long for the kernel", "[08.3]") {
    oci::Seccomp wanted = policy("SCMP_ACT_ALLOW", {});
    for (std::uint64_t value = 0; value < 1500; ++value) {
        wanted.syscalls.push_back(
            rule({"ioctl"}, "SCMP_ACT_ERRNO", {arg(1, "SCMP_CMP_EQ", value << 32 | value)}));
    }
    CHECK(says(verdict(wanted), "4096 is the most"));
}

}  // namespace tenon::test
