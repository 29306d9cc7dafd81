// Specs and whoever launches them, for plans that nobody carries out; bundles for those that are.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "kernel_view.hpp"
#include "tenon/capabilities.hpp"
#include "tenon/launch.hpp"
#include "tenon/oci_config.hpp"

namespace tenon::test {

// A container that runs `args`, in namespaces of its own.
inline oci::Spec plain_spec(std::vector<std::string> args = {"sh"}) {
    oci::Spec spec{.oci_version = "1.3.0"};
    spec.process = oci::Process{.args = std::move(args), .env = {"PATH=/usr/bin:/bin"}, .cwd = "/"};
    spec.root = oci::Root{.path = "rootfs", .readonly = true};
    spec.linux.emplace();
    for (const char* kind : {"mount", "pid", "uts", "ipc"}) {
        spec.linux->namespaces.push_back({.type = kind});
    }
    return spec;
}

// Root of the machine, with every capability.
inline Surroundings root_of_the_machine() {
    const Capability last = 40;
    Capabilities all;
    all.bounding = all.permitted = all.effective = CapabilitySet::up_to(last);
    return {.powers = {.last = last, .available = all, .lsm = {}},
            .caller = {.privileged = true, .on_the_machine = true}};
}

// A bundle in a folder of the test's own, whose root is the host's, read-only.
class MadeBundle {
  public:
    explicit MadeBundle(oci::Spec spec) {
        spec.root = oci::Root{.path = "/", .readonly = true};
        spec.mounts.push_back({.destination = "/proc", .type = "proc", .source = "proc"});
        std::ofstream{folder_.path() / "config.json"} << oci::dump(spec);
    }
    [[nodiscard]] Bundle open() const { return open_bundle(folder_.path().native()); }
    [[nodiscard]] std::filesystem::path path() const { return folder_.path(); }

  private:
    TemporaryDirectory folder_;
};

// Without a group: the machines of learners do not have to have a cgroup2 mount for these tests.
inline LaunchRequest request_for(const std::string& id) {
    return {.id = id, .own_group = false, .new_keyring = false};
}

}  // namespace tenon::test
