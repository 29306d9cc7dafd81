// 06.1: from JSON to structs, each mistake with its place.
#include <fmt/format.h>

#include "catch.hpp"
#include "configs.hpp"
#include "kernel_view.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

oci::ParsedSpec parsed(const std::string& json) {
    step(json.substr(0, 300));
    return oci::parse_spec(json);
}

// Exactly one violation, at `pointer`.
void expect_one(const std::string& json, const std::string& pointer) {
    const std::vector<oci::Violation> violations = parsed(json).violations;
    TENON_EXPECT(violations.size() == 1 && violations.front().pointer == pointer,
                 fmt::format("one violation, at {}", pointer), told(violations));
}

void expect_none(const oci::ParsedSpec& result) {
    TENON_EXPECT(result.violations.empty(), "no violation", told(result.violations));
}

}  // namespace

TEST_CASE("parse_spec reads what is there into its member", "[06.1]") {
    const std::string host = random_name(12);
    const std::uint64_t uid = random_below(1U << 31U);
    const oci::ParsedSpec result = parsed(config_with(fmt::format(
        R"("hostname": "{}", "process": {{"cwd": "/", "terminal": true,
           "user": {{"uid": {}, "gid": 7, "additionalGids": [5, 6]}}, "args": ["sh", "-c", ""]}})",
        host, uid)));
    expect_none(result);
    TENON_EXPECT(result.spec.hostname == host, host, result.spec.hostname);
    TENON_EXPECT(result.spec.process.has_value(), "a process", "none");
    TENON_EXPECT(result.spec.process->user.uid == uid, fmt::format("uid {}", uid),
                 fmt::format("uid {}", result.spec.process->user.uid));
    CHECK(result.spec.process->terminal);
    CHECK((result.spec.process->args == std::vector<std::string>{"sh", "-c", ""}));
    CHECK((result.spec.process->user.additional_gids == std::vector<std::uint32_t>{5, 6}));
    CHECK_FALSE(result.spec.linux.has_value());
}

TEST_CASE("parse_spec reads lists of objects and maps, and keeps their order", "[06.1]") {
    const oci::ParsedSpec result = parsed(config_with(
        R"("mounts": [{"destination": "/b", "type": "tmpfs"}, {"destination": "/a"}],
           "annotations": {"z": "1", "a~/b": ""},
           "linux": {"resources": {"rdma": {"mlx5_1": {"hcaObjects": 0}}, "memory": {}}})"));
    expect_none(result);
    TENON_EXPECT(result.spec.mounts.size() == 2, "two mounts",
                 fmt::format("{}", result.spec.mounts.size()));
    CHECK(result.spec.mounts[0].destination == "/b");
    CHECK(result.spec.mounts[1].destination == "/a");
    CHECK(
        (result.spec.annotations == std::map<std::string, std::string>{{"z", "1"}, {"a~/b", ""}}));
    const oci::Resources& resources = result.spec.linux->resources.value();
    CHECK(resources.rdma.at("mlx5_1").hca_objects == 0U);
    CHECK_FALSE(resources.rdma.at("mlx5_1").hca_handles.has_value());
    CHECK((resources.memory == oci::Memory{}));
    CHECK_FALSE(resources.cpu.has_value());
}

TEST_CASE("a number that its member cannot hold is a violation, not another number", "[06.1]") {
    const auto [value, member] = GENERATE(table<const char*, const char*>({
        {"4294967296", "uid"},  // 2^32 would become 0: root
        {"-1", "uid"},
        {"18446744073709551616", "gid"},
        {"1.5", "uid"},
        {"1e3", "gid"},
        {"-9223372036854775809", "uid"},
        {"\"0\"", "uid"},
        {"true", "gid"},
        {"[0]", "gid"},
    }));
    const std::string other = std::string{member} == "uid" ? "gid" : "uid";
    const oci::ParsedSpec result =
        parsed(process_with(fmt::format(R"("user": {{"{}": {}, "{}": 0}})", member, value, other)));
    if (result.violations.empty()) fact("wrapped", true);
    TENON_EXPECT(result.violations.size() == 1, "one violation", told(result.violations));
    TENON_EXPECT(result.violations.front().pointer == std::string{"/process/user/"} + member,
                 fmt::format("at /process/user/{}", member), told(result.violations));
    CHECK(result.violations.front().section == "config.md, POSIX-platform User");
}

TEST_CASE("the ends of each range are read", "[06.1]") {
    const oci::ParsedSpec result = parsed(process_with(
        R"("user": {"uid": 4294967295, "gid": 0}, "oomScoreAdj": -2147483648,
           "rlimits": [{"type": "RLIMIT_CORE", "hard": 18446744073709551615, "soft": 0}])"));
    expect_none(result);
    CHECK(result.spec.process->user.uid == 4294967295U);
    CHECK(result.spec.process->oom_score_adj == -2147483648);
    CHECK(result.spec.process->rlimits.front().hard == 18446744073709551615U);
    expect_one(process_with(R"("oomScoreAdj": -2147483649)"), "/process/oomScoreAdj");
    expect_one(process_with(R"("oomScoreAdj": 2147483648)"), "/process/oomScoreAdj");
}

TEST_CASE("parse_spec finds all mistakes in one go", "[06.1]") {
    std::vector<oci::Violation> violations;
    try {
        violations = parsed(R"({"process": {"args": "sh", "env": ["A=1", 2, null]},
                                "root": {}, "linux": {"maskedPaths": {}}})")
                         .violations;
        fact("threw", false);
    } catch (const std::invalid_argument& error) {
        fact("threw", true);
        TENON_EXPECT(false, "a list of all mistakes", error.what());
    }
    for (const char* pointer : {"/ociVersion", "/process/args", "/process/cwd", "/process/env/1",
                                "/process/env/2", "/root/path", "/linux/maskedPaths"}) {
        TENON_EXPECT(speaks_of(violations, pointer), fmt::format("a violation at {}", pointer),
                     told(violations));
    }
    TENON_EXPECT(violations.size() == 7, "seven violations", told(violations));
}

TEST_CASE("what is required and missing is a violation", "[06.1]") {
    const std::vector<oci::Violation> violations =
        parsed(config_with(R"("mounts": [{"source": "x"}])")).violations;
    fact("missing_accepted", violations.empty());
    TENON_EXPECT(violations.size() == 1 && violations[0].pointer == "/mounts/0/destination",
                 "a violation at /mounts/0/destination", told(violations));
    CHECK(violations[0].section == "config.md, Mounts");
}

TEST_CASE("a JSON pointer leads to the element, with ~ and / escaped", "[06.1]") {
    const std::vector<oci::Violation> violations = parsed(config_with(
                                                              R"("annotations": {"a/b~c": 1},
           "linux": {"namespaces": [{"type": "pid"}, {"type": 2}, {"path": "/x", "type": 3}]})"))
                                                       .violations;
    fact("pointer_lost", speaks_of(violations, "/linux/namespaces/type"));
    for (const char* pointer :
         {"/annotations/a~1b~0c", "/linux/namespaces/1/type", "/linux/namespaces/2/type"}) {
        TENON_EXPECT(speaks_of(violations, pointer), fmt::format("a violation at {}", pointer),
                     told(violations));
    }
    TENON_EXPECT(violations.size() == 3, "three violations", told(violations));
}

TEST_CASE("null is what is not given", "[06.1]") {
    const oci::ParsedSpec result = parsed(config_with(
        R"("process": {"cwd": "/", "args": null, "capabilities": null, "terminal": null},
           "mounts": null, "linux": null)"));
    fact("null_refused", !result.violations.empty());
    expect_none(result);
    CHECK_FALSE(result.spec.linux.has_value());
    CHECK_FALSE(result.spec.process->capabilities.has_value());
    expect_one(R"({"ociVersion": null, "root": {"path": "x"}})", "/ociVersion");
}

TEST_CASE("an unknown field is passed over, whatever is in it", "[06.1]") {
    const oci::ParsedSpec result = parsed(config_with(
        R"("vm": {"hypervisor": {"path": 1}}, "Hostname": "other", "x": [1.5, null, {}])"));
    expect_none(result);
    CHECK(result.spec.hostname.empty());
}

TEST_CASE("a NUL in a text is a violation: a system call would cut it off there", "[06.1]") {
    const auto [more, pointer] = GENERATE(table<const char*, const char*>({
        {R"("hostname": "a\u0000b")", "/hostname"},
        {R"("mounts": [{"destination": "/proc\u0000/x"}])", "/mounts/0/destination"},
        {R"("process": {"cwd": "/", "args": ["sh", "\u0000"]})", "/process/args/1"},
        {R"("process": {"cwd": "/", "args": ["sh"], "env": ["A=\u0000"]})", "/process/env/0"},
        {R"("linux": {"sysctl": {"net.a": "1\u0000"}})", "/linux/sysctl/net.a"},
        {R"("linux": {"sysctl": {"net.a\u0000b": "1"}})", "/linux/sysctl"},
    }));
    const std::vector<oci::Violation> violations = parsed(config_with(more)).violations;
    if (violations.empty()) fact("nul_accepted", true);
    TENON_EXPECT(violations.size() == 1 && violations.front().pointer == pointer,
                 fmt::format("one violation, at {}", pointer), told(violations));
}

TEST_CASE("a key that is there twice is a violation, in every object", "[uses-06.1]") {
    for (const auto& [json, pointer] : std::vector<std::pair<std::string, std::string>>{
             {config_with(R"("hostname": "a", "hostname": "a")"), "/hostname"},
             {config_with(R"("x": [{}, {"a/b": 1, "a/b": 2}])"), "/x/1/a~1b"},
             {config_with(R"("annotations": {"a": "1", "b": "2", "a": "3"})"), "/annotations/a"},
             {config_with(R"("process": {"cwd": "/", "args": ["sh"], "cwd": "/"})"),
              "/process/cwd"}}) {
        expect_one(json, pointer);
    }
}

TEST_CASE("a key that is there three times is told once", "[uses-06.1]") {
    expect_one(config_with(R"("a": 1, "a": 2, "b": 3, "a": 4)"), "/a");
}

TEST_CASE("parse_process reads a process alone", "[uses-06.1]") {
    const oci::ParsedProcess result =
        oci::parse_process(R"({"cwd": "/x", "args": ["ps"], "env": 1})");
    CHECK(result.process.cwd == "/x");
    REQUIRE(result.violations.size() == 1);
    CHECK(result.violations.front().pointer == "/env");
    CHECK(result.violations.front().section == "config.md, Process");
}

TEST_CASE("a million mistakes are not all listed", "[uses-06.1]") {
    std::string list;
    for (int i = 0; i < 100'000; ++i) list += i == 0 ? "1" : ",1";
    const auto violations = parsed(config_with("\"mounts\": [" + list + "]")).violations;
    REQUIRE(violations.size() == 1001);
    CHECK(violations.back().message == "after 1000 violations, the rest is not listed");
}

}  // namespace tenon::test
