// The configs to start from: valid, and no less protected than a container of chapter 02.
#include <fmt/format.h>

#include "catch.hpp"
#include "configs.hpp"
#include "kernel_view.hpp"
#include "tenon/mount_plan.hpp"

namespace tenon::test {

namespace {

const oci::Mount* mount_at(const oci::Spec& spec, const std::string& destination) {
    for (const oci::Mount& mount : spec.mounts) {
        if (mount.destination == destination) return &mount;
    }
    return nullptr;
}

std::vector<std::string> targets(MountKind kind) {
    std::vector<std::string> paths;
    for (const MountStep& step : default_mount_plan({.created = NamespaceSet::all()}).steps) {
        if (step.kind == kind) paths.push_back(step.target);
    }
    return paths;
}

bool has_namespace(const oci::Spec& spec, const std::string& type) {
    for (const oci::LinuxNamespace& ns : spec.linux->namespaces) {
        if (ns.type == type) return ns.path.empty();
    }
    return false;
}

}  // namespace

TEST_CASE("both templates are valid", "[uses-06.2]") {
    CHECK(told(oci::validate(oci::template_spec())) == "none");
    CHECK(told(oci::validate(oci::rootless_spec(1000, 100))) == "none");
}

TEST_CASE("both templates are read back as they were written", "[uses-06.1][uses-06.3]") {
    for (const oci::Spec& spec : {oci::template_spec(), oci::rootless_spec(1000, 100)}) {
        const oci::ParsedSpec again = oci::parse_spec(oci::dump(spec));
        CHECK(told(again.violations) == "none");
        CHECK((again.spec == spec));
    }
}

TEST_CASE("the template protects what chapter 02 protects") {
    const oci::Spec spec = oci::template_spec();
    CHECK(spec.linux->masked_paths == targets(MountKind::Mask));
    CHECK(spec.linux->readonly_paths == targets(MountKind::ReadonlyPath));
    for (const char* destination :
         {"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"}) {
        INFO(destination);
        CHECK(mount_at(spec, destination) != nullptr);
    }
    CHECK((mount_at(spec, "/sys")->options ==
           std::vector<std::string>{"nosuid", "noexec", "nodev", "ro"}));
    CHECK((mount_at(spec, "/dev")->options ==
           std::vector<std::string>{"nosuid", "noexec", "mode=755", "size=65536k"}));
    CHECK(spec.process->no_new_privileges);
    CHECK(spec.root->readonly);
    CHECK(has_namespace(spec, "network"));
    CHECK(has_namespace(spec, "cgroup"));
    CHECK_FALSE(has_namespace(spec, "user"));
}

TEST_CASE("the rootless template asks for what an ordinary user can have") {
    const auto uid = static_cast<std::uint32_t>(1 + random_below(100'000));
    const oci::Spec spec = oci::rootless_spec(uid, uid + 1);
    CHECK((spec.linux->uid_mappings == std::vector<oci::IdMapping>{{0, uid, 1}}));
    CHECK((spec.linux->gid_mappings == std::vector<oci::IdMapping>{{0, uid + 1, 1}}));
    CHECK(has_namespace(spec, "user"));
    CHECK_FALSE(has_namespace(spec, "network"));
    CHECK_FALSE(spec.linux->resources.has_value());
    CHECK(mount_at(spec, "/sys/fs/cgroup") == nullptr);
    CHECK(mount_at(spec, "/dev/null") == nullptr);  // supplied by every runtime
    REQUIRE(mount_at(spec, "/sys") != nullptr);
    CHECK(mount_at(spec, "/sys")->source == "/sys");
    CHECK((mount_at(spec, "/sys")->options ==
           std::vector<std::string>{"rbind", "rnosuid", "rnoexec", "rnodev", "rro"}));
}

}  // namespace tenon::test
