// What a program may do, decided on the parent's side. Nothing here changes a process.
#include "tenon/privileges.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/seccomp_cache.hpp"
#include "tenon/seccomp_listener.hpp"

namespace tenon {

CallerPowers own_powers(bool new_user_namespace, bool asks_for_labels) {
    const Capability last = last_capability();
    return {.last = last,
            .available = new_user_namespace ? capabilities_of_a_new_user_namespace(last)
                                            : own_capabilities(),
            .lsm = asks_for_labels ? own_lsm_support() : LsmSupport{}};
}

HostOffer all_of(const CallerPowers& powers) {
    HostOffer offer;
    offer.capabilities = powers.available.permitted & powers.available.bounding;
    return offer;
}

namespace {

LsmLabels labels_from(const oci::Spec& spec, const oci::Process& process) {
    return {.apparmor_profile = process.apparmor_profile,
            .selinux_label = process.selinux_label,
            .mount_label = spec.linux ? spec.linux->mount_label : std::string{}};
}

}  // namespace

bool asks_for_labels(const oci::Spec& spec, const oci::Process& process) {
    const LsmLabels labels = labels_from(spec, process);
    return !labels.apparmor_profile.empty() || !labels.selinux_label.empty() ||
           !labels.mount_label.empty();
}

namespace {

// Where a pointer's value makes a difference, the two extremes do not agree, and nobody can tell.
std::uint32_t answer_to_execve(const seccomp::Program& program, std::uint64_t argument) {
    seccomp_data call{.nr = SYS_execve, .arch = ::seccomp_arch_native()};
    std::fill(std::begin(call.args), std::end(call.args), argument);
    return seccomp::evaluate(program, call);
}

bool lets_go_on(std::uint32_t answer) {
    const std::uint32_t action = answer & SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
           action == SECCOMP_RET_USER_NOTIF || action == SECCOMP_RET_TRACE;
}

// Such a filter may forbid the child to report as well: sendmsg(2), exit_group(2).
void require_execve(const seccomp::Program& program) {
    const std::uint32_t answer = answer_to_execve(program, 0);
    if (lets_go_on(answer) || lets_go_on(answer_to_execve(program, ~std::uint64_t{0}))) return;
    throw std::invalid_argument(fmt::format(
        "seccomp: the filter answers execve by {}, so no program could start: allow execve",
        seccomp::action_text(answer)));
}

}  // namespace

Privileges privileges_from(const oci::Spec& spec, const oci::Process& process,
                           const CallerPowers& powers, std::vector<std::string>& warnings) {
    Privileges privileges;
    privileges.can_keep_sys_admin = powers.available.permitted.contains(CAP_SYS_ADMIN);
    privileges.user = process.user;
    privileges.no_new_privileges = process.no_new_privileges;
    privileges.labels = labels_from(spec, process);
    privileges.lsm = powers.lsm;
    check_labels(privileges.labels, powers.lsm);
    if (!process.capabilities) return privileges;
    const Capabilities wanted = capabilities_from(*process.capabilities, powers.last, warnings);
    privileges.capabilities = obtainable(wanted, powers.available, warnings);
    return privileges;
}

void compile_filter(const oci::Spec& spec, const std::string& cache_folder, Privileges& privileges,
                    std::vector<std::string>& warnings, const seccomp::Compiler& compiler) {
    if (!spec.linux || !spec.linux->seccomp) return;
    const oci::Seccomp& policy = *spec.linux->seccomp;
    const seccomp::FilterCache cache{cache_folder};
    privileges.filter = seccomp::compile_cached(policy, cache, compiler);
    const std::vector<std::string>& said = privileges.filter->warnings;
    warnings.insert(warnings.end(), said.begin(), said.end());
    require_execve(privileges.filter->program);
    if (!privileges.filter->wants_listener) return;
    if (policy.listener_path.empty()) throw std::invalid_argument(seccomp::no_listener_path);
    privileges.agent = {.path = policy.listener_path, .metadata = policy.listener_metadata};
}

Capabilities capabilities_before_exec(const Privileges& privileges) {
    Capabilities sets = privileges.capabilities;
    const bool needed = privileges.filter && !privileges.no_new_privileges;
    if (needed && privileges.can_keep_sys_admin) {
        sets.permitted.insert(CAP_SYS_ADMIN);
        sets.effective.insert(CAP_SYS_ADMIN);
    }
    return sets;
}

}  // namespace tenon
