// Profiles of engines: their conditions, decided.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <stdexcept>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "tenon/error.hpp"
#include "tenon/seccomp_profile.hpp"

namespace tenon::test {

namespace {

using seccomp::KernelVersion;
using seccomp::ProfileContext;

constexpr Capability sys_admin = 21;
constexpr Capability sys_chroot = 18;

const ProfileContext here{.bounding = {sys_admin}, .kernel = {5, 10}, .architecture = "amd64"};

// The calls that rules are left for, in order.
std::string named(const std::string& rules, const ProfileContext& context = here) {
    const oci::Seccomp policy = seccomp::profile_from(
        R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[)" + rules + "]}", context);
    std::vector<std::string> names;
    for (const auto& rule : policy.syscalls)
        names.push_back(fmt::format("{}", fmt::join(rule.names, "+")));
    return fmt::format("{}", fmt::join(names, " "));
}

std::string conditional(const std::string& includes, const std::string& excludes = "{}") {
    return fmt::format(R"({{"names":["x"],"action":"SCMP_ACT_ALLOW","includes":{},"excludes":{}}})",
                       includes, excludes);
}

std::string refusal_of(const std::string& json) {
    try {
        seccomp::profile_from(json, here);
        return "accepted";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

}  // namespace

TEST_CASE("a profile without conditions is the object of config.json") {
    const oci::Seccomp policy = seccomp::profile_from(R"({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "listenerPath": "/agent", "listenerMetadata": "m",
        "syscalls": [{"names": ["a", "b"], "action": "SCMP_ACT_TRACE", "errnoRet": 7,
                      "args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 2,
                                "op": "SCMP_CMP_MASKED_EQ"}, {"index": 0, "value": 1,
                                "op": "SCMP_CMP_EQ"}]}]})",
                                                      here);
    CHECK(policy.default_action == "SCMP_ACT_ERRNO");
    CHECK(policy.default_errno_ret == 38U);
    CHECK(policy.architectures == std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"});
    CHECK(policy.flags == std::vector<std::string>{"SECCOMP_FILTER_FLAG_LOG"});
    CHECK(policy.listener_path == "/agent");
    CHECK(policy.listener_metadata == "m");
    REQUIRE(policy.syscalls.size() == 1);
    const oci::SeccompSyscall& rule = policy.syscalls[0];
    CHECK(rule.names == std::vector<std::string>{"a", "b"});
    CHECK(rule.action == "SCMP_ACT_TRACE");
    CHECK(rule.errno_ret == 7U);
    REQUIRE(rule.args.size() == 2);
    CHECK(rule.args[0].index == 5);
    CHECK(rule.args[0].value == ~std::uint64_t{0});
    CHECK(rule.args[0].value_two == std::uint64_t{2});
    CHECK(rule.args[0].op == "SCMP_CMP_MASKED_EQ");
    CHECK_FALSE(rule.args[1].value_two.has_value());
}

TEST_CASE("a rule is left when all that it includes is there") {
    CHECK(named(conditional("{}")) == "x");
    CHECK(named(conditional("null", "null")) == "x");
    CHECK(named(conditional(R"({"caps":["CAP_SYS_ADMIN"]})")) == "x");
    CHECK(named(conditional(R"({"caps":["CAP_SYS_CHROOT"]})")).empty());
    CHECK(named(conditional(R"({"caps":["CAP_SYS_ADMIN","CAP_SYS_CHROOT"]})")).empty());
    CHECK(named(conditional(R"({"caps":["CAP_OF_2050"]})")).empty());
    CHECK(named(conditional(R"({"arches":["arm64","amd64"]})")) == "x");
    CHECK(named(conditional(R"({"arches":["arm64","x86"]})")).empty());
    CHECK(named(conditional(R"({"minKernel":"4.8"})")) == "x");
    CHECK(named(conditional(R"({"minKernel":"5.10"})")) == "x");
    CHECK(named(conditional(R"({"minKernel":"5.11"})")).empty());
    CHECK(named(conditional(R"({"arches":["amd64"],"minKernel":"6.0"})")).empty());
}

TEST_CASE("a rule is gone when any of what it excludes is there") {
    CHECK(named(conditional("{}", R"({"caps":["CAP_SYS_ADMIN"]})")).empty());
    CHECK(named(conditional("{}", R"({"caps":["CAP_SYS_CHROOT"]})")) == "x");
    CHECK(named(conditional("{}", R"({"caps":["CAP_SYS_CHROOT","CAP_SYS_ADMIN"]})")).empty());
    CHECK(named(conditional("{}", R"({"arches":["amd64"]})")).empty());
    CHECK(named(conditional("{}", R"({"arches":["s390"]})")) == "x");
    CHECK(named(conditional("{}", R"({"minKernel":"5.10"})")).empty());
    CHECK(named(conditional("{}", R"({"minKernel":"5.11"})")) == "x");
    CHECK(named(conditional(R"({"caps":["CAP_SYS_ADMIN"]})", R"({"arches":["amd64"]})")).empty());
}

TEST_CASE("archMap gives the architectures of this machine") {
    const auto architectures = [](const std::string& go) {
        const oci::Seccomp policy = seccomp::profile_from(R"({"defaultAction":"SCMP_ACT_ALLOW",
            "archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
                       {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]},
                       {"architecture":"SCMP_ARCH_RISCV64","subArchitectures":null}]})",
                                                          {.architecture = go});
        return fmt::format("{}", fmt::join(policy.architectures, " "));
    };
    CHECK(architectures("amd64") == "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32");
    CHECK(architectures("arm64") == "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM");
    CHECK(architectures("riscv64") == "SCMP_ARCH_RISCV64");
    CHECK(architectures("vax").empty());
}

TEST_CASE("an errno may have a name, and an old profile one name per rule") {
    const oci::Seccomp policy = seccomp::profile_from(
        R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","defaultErrnoRet":1,
            "syscalls":[{"name":"old","action":"SCMP_ACT_ERRNO","errno":"EINVAL","errnoRet":1},
                        {"names":["new"],"name":"","action":"SCMP_ACT_ERRNO","errnoRet":3}]})",
        here);
    CHECK(policy.default_errno_ret == 38U);
    CHECK(policy.syscalls[0].names == std::vector<std::string>{"old"});
    CHECK(policy.syscalls[0].errno_ret == 22U);
    CHECK(policy.syscalls[1].errno_ret == 3U);
}

TEST_CASE("a profile that makes no sense is refused, and where it does not is said") {
    const auto in_rule = [](const std::string& members) {
        return refusal_of(R"({"defaultAction":"A","syscalls":[{"names":["x"],"action":"B",)" +
                          members + "}]}");
    };
    CHECK(refusal_of("{").starts_with("seccomp profile: no JSON: "));
    CHECK(refusal_of("").starts_with("seccomp profile: no JSON: "));
    CHECK(refusal_of("[]") == "seccomp profile: /: it is no object");
    CHECK(refusal_of("{}") == "seccomp profile: /defaultAction: it is no text");
    CHECK(refusal_of(R"({"defaultAction":"A\u0000B"})") ==
          "seccomp profile: /defaultAction: it contains a NUL");
    CHECK(refusal_of(R"({"defaultAction":"A","syscalls":{}})") ==
          "seccomp profile: /syscalls: it is no array");
    CHECK(refusal_of(R"({"defaultAction":"A","syscalls":[{"names":[],"action":"B"}]})") ==
          "seccomp profile: /syscalls/0: it names no system call");
    CHECK(in_rule(R"("name":"y")") == "seccomp profile: /syscalls/0: it has both name and names");
    CHECK(in_rule(R"("errno":"ENONSENSE")") ==
          R"(seccomp profile: /syscalls/0/errno: "ENONSENSE" is no errno)");
    CHECK(in_rule(R"("errnoRet":-1)") ==
          "seccomp profile: /syscalls/0/errnoRet: it is no whole number from 0 on");
    CHECK(in_rule(R"("errnoRet":4294967296)") ==
          "seccomp profile: /syscalls/0/errnoRet: it is greater than 4294967295");
    CHECK(in_rule(R"("args":[{"index":6,"value":0,"op":"C"}])") ==
          "seccomp profile: /syscalls/0/args/0/index: it is greater than 5");
    CHECK(in_rule(R"("args":[{"index":0,"value":1.5,"op":"C"}])") ==
          "seccomp profile: /syscalls/0/args/0/value: it is no whole number from 0 on");
    CHECK(
        in_rule(R"("includes":{"minKernel":"new"})") ==
        R"(seccomp profile: /syscalls/0/includes/minKernel: "new" is no kernel version such as 5.12)");
    CHECK(refusal_of(R"({"defaultAction":"A","architectures":["B"],
                         "archMap":[{"architecture":"C"}]})") ==
          "seccomp profile: /archMap: architectures are listed, too: use one of the two");
    const std::string deep(100000, '[');
    CHECK(refusal_of(deep).starts_with("seccomp profile: no JSON: "));
}

TEST_CASE("a damaged profile is read or refused, and nothing else happens") {
    const std::string whole =
        R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"archMap":[{"architecture":)"
        R"("SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],"syscalls":[{"names":["a","b"],)"
        R"("action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":16,"valueTwo":0,"op":"SCMP_CMP_EQ"}],)"
        R"("includes":{"caps":["CAP_SYS_ADMIN"],"minKernel":"4.8"},"excludes":{"arches":["s390"]}}]})";
    REQUIRE(refusal_of(whole) == "accepted");
    int refused = 0;
    for (int round = 0; round < 2000; ++round) {
        std::string text = whole;
        for (std::uint64_t times = random_below(4) + 1; times > 0; --times) {
            const std::size_t at = random_below(text.size());
            switch (random_below(3)) {
                case 0: text.at(at) = static_cast<char>(random_below(256)); break;
                case 1: text.erase(at, random_below(8) + 1); break;
                default: text.insert(at, text.substr(random_below(text.size()), 9)); break;
            }
        }
        CAPTURE(text);
        if (refusal_of(text) != "accepted") ++refused;  // anything else that is thrown fails
    }
    CHECK(refused > 1000);
}

TEST_CASE("kernel versions") {
    CHECK(KernelVersion::parse("4.8") == KernelVersion{4, 8});
    CHECK(KernelVersion::parse("6.1.0-18-amd64") == KernelVersion{6, 1});
    CHECK(KernelVersion::parse("6.18+") == KernelVersion{6, 18});
    CHECK(KernelVersion::parse("4.19") > KernelVersion::parse("4.8"));
    for (const char* text : {"", "6", "6.", ".1", "a.b", "6.x", "-6.1", "6.1x", "4294967296.1"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(KernelVersion::parse(text), std::invalid_argument);
    }
}

TEST_CASE("the context is this machine") {
    utsname names{};
    ::uname(&names);
    const ProfileContext context = seccomp::profile_context({sys_chroot});
    CHECK(context.bounding == CapabilitySet{sys_chroot});
    CHECK(context.kernel == KernelVersion::parse(names.release));
    if (std::string{names.machine} == "x86_64") CHECK(context.architecture == "amd64");
}

TEST_CASE("a profile comes from a file, and errors name it") {
    const TemporaryDirectory directory;
    const auto refused = [&](const std::string& path) -> std::string {
        try {
            seccomp::load_profile(path, here);
            return "accepted";
        } catch (const std::exception& error) {
            return error.what();
        }
    };
    const std::string file = directory.path() / "profile.json";
    write_file(file, R"({"defaultAction":"SCMP_ACT_ALLOW"})");
    CHECK(refused(file) == "accepted");
    write_file(file, "{}");
    CHECK(refused(file) == "seccomp profile: /defaultAction: it is no text (in " + file + ")");
    write_file(file, std::string((1 << 20) + 1, ' '));
    CHECK(refused(file).find("1048576 is the most") != std::string::npos);
    CHECK(refused(directory.path()).find("no regular file") != std::string::npos);
    CHECK(refused(directory.path() / "missing").find("ENOENT") != std::string::npos);
}

}  // namespace tenon::test
