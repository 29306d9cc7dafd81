// Options as changes of a config, and which mounts are to be mapped. Nothing here asks the machine.
#include <fmt/format.h>

#include <algorithm>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/idmapped_mounts.hpp"
#include "tenon/userns_options.hpp"

namespace tenon::test {

namespace {

UsernsCaller root() {
    return {.privileged = true};
}

UsernsCaller user(std::vector<IdRange> ranges = {}) {
    UsernsCaller caller;
    caller.own = {.uid = 1000, .gid = 100, .subuids = ranges, .subgids = ranges};
    return caller;
}

oci::Spec spec_with(const std::vector<std::string>& kinds) {
    oci::Spec spec{.process = oci::Process{.args = {"true"}}};
    spec.linux.emplace();
    for (const std::string& kind : kinds) spec.linux->namespaces.push_back({.type = kind});
    return spec;
}

std::size_t users_in(const oci::Spec& spec) {
    const auto& all = spec.linux->namespaces;
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const oci::LinuxNamespace& ns) { return ns.type == "user"; }));
}

std::string refusal_of(const UsernsOptions& options, const UsernsCaller& caller, oci::Spec spec) {
    try {
        apply_userns_options(options, caller, spec);
        check_container_user(spec, caller);
        return "accepted";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("--uidmap adds a user namespace once, with its maps", "[uses-09.2]") {
    for (const auto& kinds : {std::vector<std::string>{"mount"}, {"mount", "user"}}) {
        oci::Spec spec = spec_with(kinds);
        const std::vector<IdMap> maps{{0, 5000, 10}, {10, 7000, 5}};
        CHECK(apply_userns_options({.uidmap = maps}, root(), spec).empty());
        CHECK(users_in(spec) == 1);
        CHECK(mappings_of(spec) == IdMappings{.uids = maps, .gids = maps});
    }
}

TEST_CASE("a config without options stays as it is for root", "[uses-09.2]") {
    oci::Spec spec = spec_with({"mount"});
    CHECK(apply_userns_options({}, root(), spec).empty());
    CHECK(users_in(spec) == 0);
    CHECK(apply_userns_options({.rootless = Rootless::Auto}, root(), spec).empty());
    CHECK(users_in(spec) == 0);
}

TEST_CASE("--rootless maps what the caller has", "[uses-09.2]") {
    const std::vector<IdRange> ranges{{100000, 50}};
    oci::Spec spec = spec_with({"mount"});
    apply_userns_options({.rootless = Rootless::Auto}, user(ranges), spec);
    CHECK(mappings_of(spec).uids == std::vector<IdMap>{{0, 1000, 1}, {1, 100000, 50}});
    CHECK(mappings_of(spec).gids == std::vector<IdMap>{{0, 100, 1}, {1, 100000, 50}});
    spec = spec_with({"mount"});
    apply_userns_options({.rootless = Rootless::Single}, user(ranges), spec);
    CHECK(mappings_of(spec).uids == std::vector<IdMap>{{0, 1000, 1}});
    const std::string said =
        refusal_of({.rootless = Rootless::Subids}, user(), spec_with({"mount"}));
    CHECK(has(said, "/etc/subuid grants nothing to uid 1000"));
}

TEST_CASE("root of a container is an ordinary user of the machine", "[uses-09.2]") {
    UsernsCaller caller = root();
    caller.on_the_machine = false;
    oci::Spec spec = spec_with({"mount"});
    apply_userns_options({.rootless = Rootless::Auto}, caller, spec);
    CHECK(mappings_of(spec).uids == std::vector<IdMap>{{0, 0, 1}});
}

TEST_CASE("--rootless takes out what is not mapped, and says so", "[uses-09.2]") {
    oci::Spec spec = spec_with({"mount"});
    spec.mounts = {{.destination = "/dev/pts", .type = "devpts", .options = {"gid=5", "mode=620"}},
                   {.destination = "/t", .type = "tmpfs", .options = {"uid=0", "gid=x"}},
                   {.destination = "/sys", .type = "sysfs", .source = "sysfs"}};
    spec.process->oom_score_adj = -1;
    const std::vector<std::string> told =
        apply_userns_options({.rootless = Rootless::Auto}, user(), spec);
    CHECK(told.size() == 3);
    CHECK(spec.mounts[0].options == std::vector<std::string>{"mode=620"});
    CHECK(spec.mounts[1].options == std::vector<std::string>{"uid=0", "gid=x"});
    CHECK(spec.mounts[2].source == "/sys");
    CHECK_FALSE(spec.process->oom_score_adj.has_value());
    // With a network of its own, sysfs is its own, too; and 5 is mapped here.
    spec = spec_with({"mount", "network"});
    spec.mounts = {{.destination = "/dev/pts", .type = "devpts", .options = {"gid=5"}},
                   {.destination = "/sys", .type = "sysfs", .source = "sysfs"}};
    CHECK(apply_userns_options({.rootless = Rootless::Auto}, user({{7, 10}}), spec).empty());
    CHECK(spec.mounts[1].type == "sysfs");
}

TEST_CASE("--bind becomes a mount with its words about ids", "[uses-09.2]") {
    oci::Spec spec = spec_with({"mount"});
    apply_userns_options({.binds = {"/a:/b:ro,idmap", "/c:/d/../e"}}, root(), spec);
    REQUIRE(spec.mounts.size() == 2);
    CHECK(spec.mounts[0].source == "/a");
    CHECK(spec.mounts[0].destination == "/b");
    CHECK(spec.mounts[0].options == std::vector<std::string>{"ro", "idmap", "rbind"});
    CHECK(spec.mounts[1].destination == "/e");
    for (const char* text : {"", ":", "/a", "/a:", "/a:b", "/a:/b:", "/a:/b:size=5", "/a:/b:ro:rw",
                             "/a:/:idmap", "/a:/b:,idmap", "/a:/b:idmap,,ro"}) {
        CAPTURE(text);
        CHECK(refusal_of({.binds = {text}}, root(), spec_with({"mount"})) != "accepted");
    }
}

TEST_CASE("ids of the container's process must be mapped", "[uses-09.2]") {
    oci::Spec spec = spec_with({"mount"});
    spec.process->user = {.uid = 9, .gid = 9, .additional_gids = {9}};
    const UsernsOptions ten{.uidmap = {{0, 5000, 10}}};
    CHECK(refusal_of(ten, root(), spec) == "accepted");
    spec.process->user.additional_gids = {9, 10};
    CHECK(has(refusal_of(ten, root(), spec), "/process/user/additionalGids: id 10"));
    spec.process->user = {.uid = 10};
    CHECK(has(refusal_of(ten, root(), spec), "/process/user/uid: id 10"));
}

TEST_CASE("a joined user namespace has its maps", "[uses-09.2]") {
    oci::Spec spec = spec_with({"mount"});
    spec.linux->namespaces.push_back({.type = "user", .path = "/proc/7/ns/user"});
    CHECK(refusal_of({}, root(), spec) == "accepted");
    CHECK(has(refusal_of({.uidmap = {{0, 5, 1}}}, root(), spec), "/proc/7/ns/user is joined"));
    spec.linux->uid_mappings = {{0, 5, 1}};
    CHECK(has(refusal_of({}, root(), spec), "has its maps already"));
}

TEST_CASE("idmap_requests finds the steps of the plan", "[uses-09.2]") {
    oci::Spec spec = spec_with({"mount", "user"});
    spec.mounts = {
        {.destination = "/a"},
        {.destination = "/b", .options = {"ridmap"}},
        {.destination = "/c", .uid_mappings = {{1000, 0, 1}}, .gid_mappings = {{1000, 0, 1}}}};
    MountPlan plan;
    plan.steps = {{.kind = MountKind::Nodes},
                  {.kind = MountKind::Bind, .source = "/x", .target = "/c", .origin = "/mounts/2"},
                  {.kind = MountKind::Bind, .source = "/y", .target = "/b", .origin = "/mounts/1"}};
    const std::vector<IdmapRequest> found = idmap_requests(spec, plan);
    REQUIRE(found.size() == 2);
    CHECK((found[0].step == 2 && found[0].recursive && found[0].mappings.empty()));
    CHECK((found[1].step == 1 && !found[1].recursive && !found[1].mappings.empty()));
    plan.steps[1].kind = MountKind::Filesystem;
    CHECK_THROWS_AS(idmap_requests(spec, plan), std::invalid_argument);
    spec.mounts[2].uid_mappings = {{1000, 0, 0}};
    plan.steps[1].kind = MountKind::Bind;
    CHECK_THROWS_AS(idmap_requests(spec, plan), std::invalid_argument);
}

}  // namespace tenon::test
