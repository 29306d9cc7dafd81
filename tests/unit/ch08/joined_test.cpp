// exec: what a process that joins may do, from a file or from the kernel.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>

#include "capability_view.hpp"
#include "catch.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/joined_privileges.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

std::string status_with(const std::string& seccomp, const std::string& bounding) {
    return "Name:\tCapBnd:\t0\nUid:\t0\t0\t0\t0\nCapInh:\t0\nCapPrm:\tffff\nCapBnd:\t" + bounding +
           "\nCapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t" + seccomp + "\nSeccomp_filters:\t0\n";
}

std::string complaint(const std::function<void()>& body) {
    try {
        body();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "accepted";
}

CallerPowers all_powers() {
    return {.last = CAP_LAST_CAP,
            .available = capabilities_of_a_new_user_namespace(CAP_LAST_CAP),
            .lsm = {}};
}

oci::Spec container() {
    oci::Spec spec;
    oci::Process& process = spec.process.emplace();
    process.user.uid = 7;
    process.user.additional_gids = {8};
    process.args = {"own"};
    process.no_new_privileges = true;
    process.apparmor_profile = "profile";
    process.capabilities.emplace().bounding = {"CAP_KILL"};
    return spec;
}

std::string refused_status(std::string_view status) {
    return complaint([&] { process_from_status(status, 1); });
}
std::string refused_join(const ExecOptions& exec, const JoinOptions& join) {
    return complaint([&] { process_to_join(exec, join, container(), all_powers(), {}); });
}

}  // namespace

TEST_CASE("the bounding set of a process is what root of its container may have") {
    const oci::Process process = process_from_status(status_with("0", "0000000000000021"), 5);
    REQUIRE(process.capabilities.has_value());
    CHECK(process.capabilities->bounding == std::vector<std::string>{"CAP_CHOWN", "CAP_KILL"});
    CHECK(process.capabilities->effective == process.capabilities->bounding);
    CHECK(process.capabilities->permitted == process.capabilities->bounding);
    CHECK(process.capabilities->inheritable.empty());
    CHECK(process.capabilities->ambient.empty());
    CHECK(process.no_new_privileges);
}

TEST_CASE("a filter is not read back, so a process with one is refused") {
    for (const char* mode : {"1", "2"}) {
        const std::string said =
            complaint([&] { process_from_status(status_with(mode, "0"), 4711); });
        CHECK(said.starts_with("process 4711: has a system call filter"));
    }
}

TEST_CASE("a status without the lines that matter is refused") {
    CHECK(refused_status("Name:\tx\n") != "accepted");
    CHECK(refused_status("") != "accepted");
    CHECK(refused_status("\nSeccomp:\t0\n") != "accepted");
}

TEST_CASE("what the kernel says of a real process is read") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const CapabilitySet keep = random_part_of(own_capabilities().bounding);
    const Inside child{
        CLONE_NEWUTS, [&] {
            for (const Capability number : (own_capabilities().bounding - keep).members()) {
                sys::capbset_drop(number);
            }
        }};
    const std::string text = read_file(fmt::format("/proc/{}/status", child.pid()));
    const oci::Process process = process_from_status(text, child.pid());
    std::vector<std::string> warnings;
    CHECK(capabilities_from(*process.capabilities, CAP_LAST_CAP, warnings).bounding == keep);
    CHECK_FALSE(process.no_new_privileges);
}

TEST_CASE("a command that joins has the privileges of the container's own process") {
    ExecOptions exec;
    exec.namespaces.command = {"true"};
    exec.cwd = "/tmp";
    const oci::Process process = process_to_join(exec, {}, container(), all_powers(), {"A=b"});
    CHECK(process.args == std::vector<std::string>{"true"});
    CHECK(process.env == std::vector<std::string>{"A=b"});
    CHECK(process.cwd == "/tmp");
    CHECK(process.user.uid == 7);
    CHECK(process.user.additional_gids == std::vector<std::uint32_t>{8});
    CHECK(process.no_new_privileges);
    CHECK(process.apparmor_profile == "profile");
    CHECK(process.capabilities->bounding == std::vector<std::string>{"CAP_KILL"});
}

TEST_CASE("a user that is named has no groups of another's") {
    ExecOptions exec;
    exec.namespaces.command = {"true"};
    exec.user = "0:0";
    const oci::Process process = process_to_join(exec, {}, container(), all_powers(), {});
    CHECK(process.user.uid == 0);
    CHECK(process.user.additional_gids.empty());
}

TEST_CASE("changes are made to what the container has") {
    ExecOptions exec;
    exec.namespaces.command = {"true"};
    JoinOptions join;
    join.changes.cap_add = {"CAP_CHOWN"};
    CHECK(process_to_join(exec, join, container(), all_powers(), {}).capabilities->bounding ==
          std::vector<std::string>{"CAP_KILL", "CAP_CHOWN"});
}

TEST_CASE("a process object is taken whole, and a command beside it refused") {
    ExecOptions exec;
    JoinOptions join;
    join.process_file = "file";
    CHECK(process_to_join(exec, join, container(), all_powers(), {"A=b"}).args ==
          std::vector<std::string>{"own"});
    exec.namespaces.command = {"true"};
    CHECK(complaint([&] {
              process_to_join(exec, join, container(), all_powers(), {});
          }).starts_with("--process says the command"));
    CHECK(refused_join(ExecOptions{}, JoinOptions{}).starts_with("no command"));
}

TEST_CASE("labels of a process are read without what the module adds") {
    const TemporaryDirectory directory;
    std::filesystem::create_directories(directory.path() / "attr/apparmor");
    write_file(directory.path() / "attr/apparmor/current", "docker-default (enforce)\n");
    write_file(directory.path() / "attr/current", std::string{"a:b:c:s0:c1,c2\0", 15});
    const UniqueFd folder =
        sys::openat(FdRef::working_directory(), directory.path(), O_PATH | O_DIRECTORY);
    oci::Process process;
    take_labels(folder, {}, process);
    CHECK((process.apparmor_profile.empty() && process.selinux_label.empty()));
    take_labels(folder, {.apparmor = true, .selinux = true}, process);
    CHECK(process.apparmor_profile == "docker-default");
    CHECK(process.selinux_label == "a:b:c:s0:c1,c2");
}

}  // namespace tenon::test
