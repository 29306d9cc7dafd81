// 10.2: a launch as data.
#include <fmt/format.h>

#include <algorithm>

#include "made_spec.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

class AddsVariable : public LaunchExtension {
  public:
    void extend_plan(LaunchPlan& plan) override { plan.process.env.emplace_back("EXTENDED=1"); }
};

std::string refusal_of(const oci::Spec& spec, const LaunchRequest& request) {
    try {
        static_cast<void>(plan_launch(spec, request, root_of_the_machine(), {}));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

LaunchPlan plan_of(const oci::Spec& spec, const LaunchRequest& request = {.id = "one"}) {
    return plan_launch(spec, request, root_of_the_machine(), {});
}

}  // namespace

TEST_CASE("plan_launch hands each part to the chapter that knows it", "[10.2]") {
    oci::Spec spec = plain_spec({"sleep", "7"});
    spec.hostname = "h" + random_name(8);
    spec.process->capabilities = oci::Capabilities{.bounding = {"CAP_CHOWN"}};
    spec.process->no_new_privileges = true;
    const LaunchPlan plan = plan_of(spec);
    const bool named = plan.parts.namespaces.hostname == spec.hostname;
    TENON_EXPECT(named, "host name " + spec.hostname, plan.parts.namespaces.hostname);
    TENON_EXPECT(plan.parts.namespaces.create.contains(Namespace::Pid), "a new pid namespace",
                 std::string{"none"});
    const bool bounded = plan.privileges.capabilities.bounding == CapabilitySet{0};
    fact("privileges_forgotten", !bounded);
    TENON_EXPECT(bounded && plan.privileges.no_new_privileges, "CAP_CHOWN, no_new_privileges",
                 names_of(plan.privileges.capabilities.bounding));
    TENON_EXPECT(plan.process.args == spec.process->args && plan.id == "one",
                 "the config's command", fmt::format("{} words", plan.process.args.size()));
}

TEST_CASE("plan_launch takes over what the config and the request only say", "[10.2]") {
    oci::Spec spec = plain_spec();
    spec.annotations = {{"a.b", random_name(8)}};
    spec.hooks = oci::Hooks{.poststop = {{.path = "/bin/true"}}};
    const LaunchPlan plan = plan_of(
        spec, {.id = "one", .preserved_descriptors = 3, .own_group = false, .new_keyring = false});
    const bool of_the_config = plan.oci_version == spec.oci_version &&
                               plan.annotations == spec.annotations && plan.hooks == *spec.hooks;
    TENON_EXPECT(of_the_config, "the config's version, annotations and hooks", plan.oci_version);
    const bool of_the_request =
        plan.preserved_descriptors == 3 && !plan.own_group && !plan.new_keyring;
    TENON_EXPECT(of_the_request, "3 descriptors, no group and no keyring of its own",
                 fmt::format("{} descriptors", plan.preserved_descriptors));
    const LaunchPlan other = plan_of(plain_spec());
    TENON_EXPECT(other.own_group && other.new_keyring && other.preserved_descriptors == 0,
                 "a group and a keyring unless the request does without", std::string{"another"});
}

TEST_CASE("plan_launch names the group after the container unless the config does", "[10.2]") {
    const LaunchPlan plan = plan_of(plain_spec(), {.id = "c" + random_name(8)});
    fact("group_has_no_name", plan.parts.cgroup.path != plan.id);
    TENON_EXPECT(plan.parts.cgroup.path == plan.id, plan.id, plan.parts.cgroup.path);
    oci::Spec named = plain_spec();
    named.linux->cgroups_path = "/docker/abc";
    const LaunchPlan other = plan_of(named);
    TENON_EXPECT(other.parts.cgroup.path == "/docker/abc" && other.parts.cgroup.make_above,
                 "/docker/abc, with the group above", other.parts.cgroup.path);
}

TEST_CASE("plan_launch adds the request's variables after the config's", "[10.2]") {
    LaunchRequest request{.id = "one"};
    request.environment = {"LISTEN_FDS=2"};
    const LaunchPlan plan = plan_of(plain_spec(), request);
    const bool last = !plan.process.env.empty() && plan.process.env.back() == "LISTEN_FDS=2";
    fact("environment_forgotten", !last);
    TENON_EXPECT(last && plan.process.env.size() == 2, "PATH, LISTEN_FDS=2",
                 fmt::format("{} variables", plan.process.env.size()));
}

TEST_CASE("plan_launch sends a terminal somewhere, and refuses where it cannot", "[10.2]") {
    oci::Spec spec = plain_spec();
    const std::string without = refusal_of(spec, {.id = "one", .console = Console::Socket});
    TENON_EXPECT(without != "accepted", "a socket without a terminal is refused", without);
    spec.process->terminal = true;
    const std::string nowhere = refusal_of(spec, {.id = "one"});
    fact("terminal_goes_nowhere", nowhere == "accepted");
    TENON_EXPECT(nowhere != "accepted", "a terminal that goes nowhere is refused", nowhere);
    spec.process->user.uid = 1000;
    spec.process->console_size = oci::Box{.height = 10, .width = 20};
    const LaunchPlan plan = plan_of(spec, {.id = "one", .console = Console::Socket});
    const bool right = plan.terminal && plan.terminal->owner == 1000 && plan.terminal->size &&
                       plan.terminal->size->rows == 10 && plan.terminal->size->columns == 20;
    TENON_EXPECT(right, "a terminal of 10 rows for uid 1000", std::string{"another"});
}

TEST_CASE("plan_launch asks extensions last", "[10.2]") {
    AddsVariable adds;
    LaunchExtension* const all[]{&adds};
    LaunchRequest request{.id = "one"};
    request.environment = {"OURS=1"};
    const LaunchPlan plan = plan_launch(plain_spec(), request, root_of_the_machine(), all);
    const bool asked = !plan.process.env.empty() && plan.process.env.back() == "EXTENDED=1";
    fact("extensions_not_asked", !asked);
    TENON_EXPECT(asked, "EXTENDED=1 after all others",
                 plan.process.env.empty() ? "nothing" : plan.process.env.back());
}

TEST_CASE("plan_launch refuses a config that runs nothing", "[10.2]") {
    oci::Spec spec = plain_spec();
    spec.process.reset();
    const std::string refused = refusal_of(spec, {.id = "one"});
    TENON_EXPECT(refused != "accepted", "refused", refused);
}

TEST_CASE("add_core_link puts /dev/core beside /dev/fd, and over nothing") {
    const auto links_in = [](const std::string& folder, std::vector<std::string> names) {
        MountStep step{.kind = MountKind::Filesystem, .target = "/dev"};
        for (std::string& name : names) {
            step.contents.push_back({.kind = TreeEntry::Kind::Symlink, .name = std::move(name)});
            if (step.contents.back().name == folder + "fd") {
                step.contents.back().link_target = "/proc/self/fd";
            }
        }
        MountPlan plan{.steps = {step}};
        add_core_link(plan);
        std::string all;
        for (const TreeEntry& each : plan.steps[0].contents) {
            all += fmt::format("{}>{} ", each.name, each.link_target);
        }
        return all;
    };
    CHECK(links_in("", {"fd"}) == "fd>/proc/self/fd core>/proc/kcore ");
    CHECK(links_in("dev/", {"dev/fd"}) == "dev/fd>/proc/self/fd dev/core>/proc/kcore ");
    CHECK(links_in("", {"core", "fd"}) == "core> fd>/proc/self/fd ");
    CHECK(links_in("", {"null"}) == "null> ");
}

}  // namespace tenon::test
