// 06.3: from structs to JSON, and back.
#include <fmt/format.h>

#include "catch.hpp"
#include "configs.hpp"
#include "kernel_view.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

std::string dumped(const oci::Spec& spec) {
    const std::string text = oci::dump(spec);
    step(text);
    return text;
}

bool says(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("dump writes the fields in the spec's order, two spaces deep", "[06.3]") {
    oci::Spec spec{.oci_version = "1.3.0", .hostname = "h"};
    spec.root = oci::Root{.path = "rootfs", .readonly = true};
    spec.mounts = {{.destination = "/a", .options = {"ro", "nosuid"}}, {.destination = "/b"}};
    const std::string text = dumped(spec);
    const std::string expected = R"({
  "ociVersion": "1.3.0",
  "root": {
    "path": "rootfs",
    "readonly": true
  },
  "hostname": "h",
  "mounts": [
    {
      "destination": "/a",
      "options": [
        "ro",
        "nosuid"
      ]
    },
    {
      "destination": "/b"
    }
  ]
}
)";
    TENON_EXPECT(text == expected, expected, text);
}

TEST_CASE("dump leaves out what nobody gave", "[06.3]") {
    const std::string text = dumped(valid_spec());
    fact("defaults_written", says(text, "\"terminal\"") || says(text, "\"noNewPrivileges\""));
    fact("empties_written", says(text, "\"mounts\"") || says(text, "\"env\""));
    for (const char* key : {"terminal", "noNewPrivileges", "mounts", "env", "hostname", "hooks",
                            "annotations", "readonly", "capabilities", "sysctl", "resources"}) {
        TENON_EXPECT(!says(text, fmt::format("\"{}\"", key)), fmt::format("no {}", key), text);
    }
}

TEST_CASE("dump writes what is required, even a zero", "[06.3]") {
    oci::Spec spec = valid_spec();
    spec.process->cwd.clear();
    spec.process->rlimits = {{.type = "RLIMIT_CORE"}};
    spec.linux->resources.emplace().devices = {{.allow = false}};
    const std::string text = dumped(spec);
    fact("required_dropped", !says(text, "\"uid\": 0"));
    for (const char* words : {"\"uid\": 0", "\"gid\": 0", "\"cwd\": \"\"", "\"hard\": 0",
                              "\"soft\": 0", "\"allow\": false"}) {
        TENON_EXPECT(says(text, words), words, text);
    }
}

TEST_CASE("dump writes a zero that somebody gave", "[06.3]") {
    oci::Spec spec = valid_spec();
    spec.process->oom_score_adj = 0;
    spec.process->user.umask = 0;
    oci::Resources& resources = spec.linux->resources.emplace();
    resources.memory = oci::Memory{.limit = 0, .disable_oom_killer = false};
    resources.cpu.emplace();
    const std::string text = dumped(spec);
    fact("zero_lost", !says(text, "\"oomScoreAdj\": 0"));
    for (const char* words : {"\"oomScoreAdj\": 0", "\"umask\": 0", "\"limit\": 0",
                              "\"disableOOMKiller\": false", "\"cpu\": {}"}) {
        TENON_EXPECT(says(text, words), words, text);
    }
}

TEST_CASE("dump writes the ends of each range, and text as JSON wants it", "[06.3]") {
    oci::Spec spec = valid_spec();
    spec.hostname = "\"\\\n\x01\xc3\xa9/";
    spec.process->rlimits = {{.type = "RLIMIT_CORE", .hard = 18446744073709551615U, .soft = 1}};
    spec.linux->time_offsets = {{"boottime", {.secs = INT64_MIN}}};
    spec.annotations = {{"a\"b", ""}};
    const std::string text = dumped(spec);
    for (const char* words : {"\"hard\": 18446744073709551615", "\"secs\": -9223372036854775808",
                              R"("hostname": "\"\\\n\u0001)"
                              "\xc3\xa9/\"",
                              R"("a\"b": "")"}) {
        TENON_EXPECT(says(text, words), words, text);
    }
}

TEST_CASE("text that is no UTF-8 cannot be dumped", "[uses-06.3]") {
    oci::Spec spec = valid_spec();
    spec.process->args = {"\xff"};
    CHECK_THROWS_AS(oci::dump(spec), std::invalid_argument);
}

TEST_CASE("what dump writes, parse_spec reads as the same", "[06.3][uses-06.1]") {
    oci::Spec spec = oci::template_spec();
    spec.process->args = {random_name(5), "", "\xf0\x9f\x93\xa6"};
    spec.process->user.uid = static_cast<std::uint32_t>(random_below(1ULL << 32U));
    spec.annotations = {{random_name(3), random_name(300)}};
    spec.hooks.emplace().poststop = {{.path = "/x", .timeout = 1}};
    spec.linux->seccomp = oci::Seccomp{
        .default_action = "SCMP_ACT_ERRNO",
        .default_errno_ret = 0,
        .syscalls = {{.names = {"read"},
                      .action = "SCMP_ACT_ALLOW",
                      .args = {{.index = 1, .value = UINT64_MAX, .value_two = 0, .op = "X"}}}}};
    const oci::ParsedSpec again = oci::parse_spec(dumped(spec));
    TENON_EXPECT(again.violations.empty(), "no violation", told(again.violations));
    TENON_EXPECT(again.spec == spec, "the same spec", oci::dump(again.spec));
}

}  // namespace tenon::test
