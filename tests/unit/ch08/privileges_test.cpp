// The whole: what is decided, and what a program then has.
#include <linux/capability.h>
#include <sched.h>

#include "capability_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/privileges.hpp"

namespace tenon::test {

namespace {

CallerPowers all_powers() {
    return {.last = CAP_LAST_CAP,
            .available = capabilities_of_a_new_user_namespace(CAP_LAST_CAP),
            .lsm = {}};
}

Privileges decide(const oci::Process& process, std::vector<std::string>& warnings) {
    return privileges_from({}, process, all_powers(), warnings);
}

}  // namespace

TEST_CASE("a process that lists no capabilities has none") {
    std::vector<std::string> warnings;
    const Privileges privileges = decide({}, warnings);
    CHECK(privileges.capabilities == Capabilities{});
    CHECK(warnings.empty());
}

TEST_CASE("a process's wishes are carried over") {
    oci::Process process;
    process.user.uid = 7;
    process.no_new_privileges = true;
    process.capabilities.emplace().bounding = {"CAP_KILL", "CAP_UNHEARD_OF"};
    std::vector<std::string> warnings;
    const Privileges privileges = decide(process, warnings);
    CHECK(privileges.user.uid == 7);
    CHECK(privileges.no_new_privileges);
    CHECK(privileges.capabilities.bounding == CapabilitySet{CAP_KILL});
    CHECK(warnings.size() == 1);
}

TEST_CASE("a label without its module is refused before anything is made") {
    oci::Process process;
    process.apparmor_profile = "some";
    std::vector<std::string> warnings;
    CHECK_THROWS_AS(decide(process, warnings), std::invalid_argument);
    oci::Spec spec;
    spec.linux.emplace().mount_label = "a:b:c:d";
    CHECK_THROWS_AS(privileges_from(spec, {}, all_powers(), warnings), std::invalid_argument);
}

TEST_CASE("CAP_SYS_ADMIN is kept until execve for a filter that needs it, and only then") {
    Privileges privileges;
    privileges.can_keep_sys_admin = true;
    CHECK(capabilities_before_exec(privileges) == Capabilities{});
    privileges.no_new_privileges = true;
    privileges.filter.emplace();
    CHECK(capabilities_before_exec(privileges) == Capabilities{});
    privileges.no_new_privileges = false;
    const Capabilities kept = capabilities_before_exec(privileges);
    CHECK(kept.permitted == CapabilitySet{CAP_SYS_ADMIN});
    CHECK(kept.effective == CapabilitySet{CAP_SYS_ADMIN});
    // Nothing that execve looks at: the program does not have it, not even root's.
    CHECK((kept.bounding.empty() && kept.inheritable.empty() && kept.ambient.empty()));
    CHECK(after_exec(kept, true).permitted.empty());
    privileges.can_keep_sys_admin = false;
    CHECK(capabilities_before_exec(privileges) == Capabilities{});
}

TEST_CASE("no_new_privs is set, and stays") {
    const Inside child{CLONE_NEWUTS, [] { set_no_new_privs(); }};
    CHECK(status_field(child.pid(), "NoNewPrivs") == "1");
    CHECK(status_field(::getpid(), "NoNewPrivs") == "0");
}

}  // namespace tenon::test
