// 06.2: what the specification forbids, and what the kernel would understand differently.
#include <fmt/format.h>

#include <functional>

#include "catch.hpp"
#include "configs.hpp"
#include "kernel_view.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

using Change = std::function<void(oci::Spec&)>;

std::vector<oci::Violation> judged(const Change& change) {
    oci::Spec spec = valid_spec();
    change(spec);
    return oci::validate(spec);
}

// What follows from `change` is one violation, at `pointer`; `accepted` is the fact when it is
// none.
void expect_refused(const char* accepted, const std::string& pointer, const Change& change) {
    const std::vector<oci::Violation> violations = judged(change);
    if (violations.empty()) fact(accepted, true);
    TENON_EXPECT(violations.size() == 1 && violations.front().pointer == pointer,
                 fmt::format("one violation, at {}", pointer), told(violations));
}

void expect_accepted(const char* refused, const Change& change) {
    const std::vector<oci::Violation> violations = judged(change);
    fact(refused, !violations.empty());
    TENON_EXPECT(violations.empty(), "no violation", told(violations));
}

}  // namespace

TEST_CASE("the smallest config is valid", "[06.2]") {
    expect_accepted("valid_refused", [](oci::Spec&) {});
    oci::Spec bare{.oci_version = "1.0.0"};
    bare.root = oci::Root{.path = "/"};
    CHECK(told(oci::validate(bare)) == "none");  // without a process it can be created
}

TEST_CASE("a root is required, with a path", "[06.2]") {
    expect_refused("no_root_accepted", "/root", [](oci::Spec& spec) { spec.root.reset(); });
    expect_refused("no_root_accepted", "/root/path",
                   [](oci::Spec& spec) { spec.root->path.clear(); });
}

TEST_CASE("there is a program to run", "[06.2]") {
    expect_refused("no_args_accepted", "/process/args",
                   [](oci::Spec& spec) { spec.process->args.clear(); });
    expect_refused("no_args_accepted", "/process/args/0", [](oci::Spec& spec) {
        spec.process->args = {"", "-c"};
    });
    expect_accepted("empty_word_refused", [](oci::Spec& spec) { spec.process->args = {"sh", ""}; });
}

TEST_CASE("the id that means leave it is no id", "[06.2]") {
    expect_refused("no_id_accepted", "/process/user/uid",
                   [](oci::Spec& spec) { spec.process->user.uid = 4294967295; });
    expect_refused("no_id_accepted", "/process/user/gid",
                   [](oci::Spec& spec) { spec.process->user.gid = 4294967295; });
    expect_refused("no_id_accepted", "/process/user/additionalGids/1", [](oci::Spec& spec) {
        spec.process->user.additional_gids = {4294967294, 4294967295};
    });
    expect_accepted("ids_refused", [](oci::Spec& spec) {
        spec.process->user = {.uid = 4294967294, .gid = 65534, .additional_gids = {0, 0}};
    });
}

TEST_CASE("a limit is of a known type, and there once", "[06.2]") {
    expect_refused("unknown_limit_accepted", "/process/rlimits/0/type", [](oci::Spec& spec) {
        spec.process->rlimits = {{.type = "RLIMIT_FILES", .hard = 1, .soft = 1}};
    });
    expect_refused("duplicate_limit_accepted", "/process/rlimits/2", [](oci::Spec& spec) {
        spec.process->rlimits = {{.type = "RLIMIT_CORE", .hard = 1},
                                 {.type = "RLIMIT_CPU", .hard = 1},
                                 {.type = "RLIMIT_CORE", .hard = 1}};
    });
}

TEST_CASE("a soft limit is not above the hard one", "[06.2]") {
    expect_refused("soft_above_hard", "/process/rlimits/0/soft", [](oci::Spec& spec) {
        spec.process->rlimits = {{.type = "RLIMIT_NOFILE", .hard = 1023, .soft = 1024}};
    });
    expect_accepted("limits_refused", [](oci::Spec& spec) {
        spec.process->rlimits = {{.type = "RLIMIT_NOFILE", .hard = 1024, .soft = 1024},
                                 {.type = "RLIMIT_AS", .hard = UINT64_MAX, .soft = UINT64_MAX}};
    });
}

TEST_CASE("a mount has a destination, and a type where it is no bind mount", "[06.2]") {
    expect_refused("no_destination", "/mounts/0/destination",
                   [](oci::Spec& spec) { spec.mounts = {{.type = "tmpfs"}}; });
    expect_refused("no_type_accepted", "/mounts/0/type", [](oci::Spec& spec) {
        spec.mounts = {{.destination = "/a", .source = "/b", .options = {"ro"}}};
    });
    expect_refused("empty_option", "/mounts/1/options/1", [](oci::Spec& spec) {
        spec.mounts = {{.destination = "/a", .type = "tmpfs"},
                       {.destination = "/b", .type = "tmpfs", .options = {"ro", "", "nosuid"}}};
    });
}

TEST_CASE("a bind mount needs a source and no type", "[06.2]") {
    for (const char* option : {"bind", "rbind"}) {
        expect_refused("no_source_accepted", "/mounts/0/source", [&](oci::Spec& spec) {
            spec.mounts = {{.destination = "/a", .type = "none", .options = {"ro", option}}};
        });
        expect_accepted("bind_needs_type", [&](oci::Spec& spec) {
            spec.mounts = {{.destination = "a", .source = "b", .options = {option}}};
        });
    }
}

TEST_CASE("id mappings of a mount come for users and groups", "[06.2]") {
    const oci::IdMapping mapping{.container_id = 0, .host_id = 1000, .size = 1};
    expect_refused("half_mapped", "/mounts/0", [&](oci::Spec& spec) {
        spec.mounts = {{.destination = "/a", .type = "tmpfs", .uid_mappings = {mapping}}};
    });
    expect_refused("half_mapped", "/mounts/0", [&](oci::Spec& spec) {
        spec.mounts = {{.destination = "/a", .type = "tmpfs", .gid_mappings = {mapping}}};
    });
    expect_accepted("mapped_refused", [&](oci::Spec& spec) {
        spec.mounts = {{.destination = "/a",
                        .type = "tmpfs",
                        .uid_mappings = {mapping},
                        .gid_mappings = {mapping}}};
    });
}

TEST_CASE("a namespace is of a known kind", "[06.2]") {
    for (const char* type : {"net", "mnt", "PID", "", "user "}) {
        expect_refused("unknown_namespace", "/linux/namespaces/0/type", [&](oci::Spec& spec) {
            spec.linux->namespaces = {{.type = type}, {.type = "pid"}};
        });
    }
    expect_accepted("namespaces_refused", [](oci::Spec& spec) {
        for (const char* type :
             {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"}) {
            spec.linux->namespaces.push_back({.type = type});
        }
    });
}

TEST_CASE("a namespace is listed once", "[06.2]") {
    expect_refused("duplicate_namespace", "/linux/namespaces/2", [](oci::Spec& spec) {
        spec.linux->namespaces = {
            {.type = "pid"}, {.type = "uts"}, {.type = "pid", .path = "/proc/1/ns/pid"}};
    });
}

TEST_CASE("the path of a namespace is absolute", "[06.2]") {
    expect_refused("relative_path", "/linux/namespaces/0/path", [](oci::Spec& spec) {
        spec.linux->namespaces = {{.type = "pid", .path = "ns/pid"}};
    });
    expect_accepted("path_refused", [](oci::Spec& spec) {
        spec.linux->namespaces = {{.type = "pid", .path = "/proc/1/ns/pid"}, {.type = "ipc"}};
    });
}

TEST_CASE("all rules that are broken are told, each with its section", "[06.2]") {
    const std::vector<oci::Violation> violations = judged([](oci::Spec& spec) {
        spec.process->args.clear();
        spec.root.reset();
        spec.mounts = {{}};
        spec.linux->namespaces = {{.type = "x"}};
    });
    for (const auto& [pointer, section] : std::vector<std::pair<std::string, std::string>>{
             {"/process/args", "config.md, Process"},
             {"/root", "config.md, Root"},
             {"/mounts/0/destination", "config.md, Mounts"},
             {"/linux/namespaces/0/type", "config-linux.md, Namespaces"}}) {
        const auto found = std::find_if(
            violations.begin(), violations.end(),
            [&](const oci::Violation& violation) { return violation.pointer == pointer; });
        TENON_EXPECT(found != violations.end() && found->section == section,
                     fmt::format("{} ({})", pointer, section), told(violations));
    }
}

TEST_CASE("validate_process counts from where it is told", "[06.2]") {
    const oci::Process process{.cwd = "x"};
    const std::vector<oci::Violation> violations = oci::validate_process(process, "/process");
    CHECK(speaks_of(violations, "/process/args"));
    CHECK(speaks_of(violations, "/process/cwd"));
    CHECK(speaks_of(oci::validate_process(process, ""), "/cwd"));
}

TEST_CASE("many entries are judged in the time of many, not of their square", "[uses-06.2]") {
    oci::Spec spec = valid_spec();
    for (int i = 0; i < 200'000; ++i) {
        spec.linux->namespaces.push_back({.type = fmt::format("x{}", i)});
        spec.process->rlimits.push_back({.type = fmt::format("y{}", i)});
    }
    CHECK(oci::validate(spec).size() == 1001);  // or the time limit tells
}

}  // namespace tenon::test
