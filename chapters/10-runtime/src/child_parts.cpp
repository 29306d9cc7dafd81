// Between the plan and the kernel, on the child's side.
#include "child_parts.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/hooks.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void join_new_keyring(const std::string& id) {
    const trace::Step step{10, "join a keyring of its own", "the starter's keys are not for it"};
    try {
        sys::join_session_keyring("_ses." + id);
    } catch (const SysError& error) {
        if (error.error() != ENOSYS) throw;
    }
}

void bring_up_loopback(const NamespaceOptions& namespaces) {
    if (!namespaces.create.contains(Namespace::Net)) return;
    const trace::Step step{10, "bring up lo", "a new network namespace has one, and it is down"};
    sys::bring_up(sys::socket(AF_INET, SOCK_DGRAM, 0), "lo");
}

void let_hooks_see(const ChildGround& ground, SyncSocket& to_parent) {
    const oci::Hooks& hooks = ground.plan.hooks;
    if (has_early_hooks(hooks)) {
        to_parent.send(SyncKind::Ready, "root");
        to_parent.expect(SyncKind::Go);
    }
    if (hooks.create_container.empty()) return;
    run_hooks("createContainer", hooks.create_container, state_inside(ground, "creating"));
}

void run_start_hooks(const ChildGround& ground, const std::vector<std::string>& environment) {
    const std::vector<oci::Hook>& hooks = ground.plan.hooks.start_container;
    if (hooks.empty()) return;
    run_hooks("startContainer", with_environment(hooks, environment),
              state_inside(ground, "created"));
}

void ask_extensions(const ChildGround& ground, ChildStage stage) {
    for (LaunchExtension* each : ground.launch.extensions) each->in_child(stage, ground.plan);
}

void enter_session(const ChildGround& ground) {
    if (ground.plan.terminal) return ground.terminal.enter_terminal(*ground.plan.terminal);
    leave_session();
}

void outlive_parent() {
    sys::set_parent_death_signal(0);
}

std::string state_inside(const ChildGround& ground, std::string_view status) {
    return ground.launch.state(status, ::getpid());
}

}  // namespace tenon
