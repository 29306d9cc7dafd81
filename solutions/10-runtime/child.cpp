// The child's side: from a copy of the runtime to a container. Each line takes something away that
// the lines above it needed, so the order is the whole of it. It is written here, and nowhere else.
#include "child_parts.hpp"
#include "tenon/hooks.hpp"
#include "tenon/launch.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/trace.hpp"
#include "tenon/unix_socket.hpp"
#include "tenon/userns.hpp"

namespace tenon {

namespace {

// From the program's look-up on, with the program's rights: what fails here is an error of `create`
// as far as it can be known before the start.
[[maybe_unused]] void become_the_program(const ChildGround& ground, SyncSocket& to_parent,
                                         const std::function<void()>& last_step) {
    const LaunchPlan& plan = ground.plan;
    const Command command{plan.process.args, environment_of(plan.process),
                          plan.preserved_descriptors};
    require_command(command);
    wait_for_start(ground.launch.gate, to_parent);
    run_start_hooks(ground, command.environment);
    ask_extensions(ground, ChildStage::BeforeExec);
    exec(command, last_step);
}

}  // namespace

void run_container(const ChildGround& ground, SyncSocket& to_parent) {
    const LaunchPlan& plan = ground.plan;
    const MountPlan& mounts = plan.parts.mounts;
    // BEGIN SOLUTION 10.4
    // 1 The bundle's root and all bind sources, with the ids of whoever started us: the container's
    //   root may not enter their folders. Whoever has no mount namespace works in a copy.
    copy_shared_mounts(ground);
    const BundleRoot folder = open_bundle_root(ground.launch.bundle, mounts);
    const OpenedPlan opened = open_sources(mounts);
    // 2 Root of the new user namespace, before anything is made that has an owner.
    if (plan.parts.namespaces.create.contains(Namespace::User)) enter_as_container_root(to_parent);
    // 3 What belongs to the namespaces, by the host's /proc, while that is in sight.
    if (plan.new_keyring) join_new_keyring(plan.id);
    apply_names(plan.parts.namespaces);
    bring_up_loopback(plan.parts.namespaces);
    apply_kernel_settings(ground.launch.bundle.spec, plan.parts.namespaces);
    // 4 Every mount, below a root that is not "/" yet.
    const UniqueFd root = prepare_bundle_root(folder, opened.plan);
    if (mounts.readonly_root) make_working_directory(root, plan.process);
    let_hooks_see(ground, to_parent);
    ask_extensions(ground, ChildStage::BeforePivot);
    // 5 The root changes: nothing of the host can be reached by a path any more.
    change_root(root, opened.plan);
    // 6 A session, and a terminal of the container's own devpts.
    enter_session(ground);
    ask_extensions(ground, ChildStage::BeforeDrop);
    enter_shared_mounts(ground);
    // 7 Where the program stands, and what it may use: with root's right, which goes next.
    enter_working_directory(plan.process);
    apply_process_limits(plan.process);
    // 8 Label, capabilities, user, no_new_privs; the gate; and the filter right before execve.
    exec_with_privileges(
        plan.privileges, ground.prepared,
        [&](const std::function<void()>& last_step) {
            become_the_program(ground, to_parent, last_step);
        },
        to_parent);
    // END SOLUTION
}

void wait_for_start(FdRef gate, SyncSocket& to_parent) {
    const trace::Step step{10, "wait at the gate", "create and start are two commands"};
    // BEGIN SOLUTION 10.4
    // From here on the end of the socket tells us of our parent's: it may end once it said "gate".
    outlive_parent();
    to_parent.send(SyncKind::Ready, "start");
    if (to_parent.expect(SyncKind::Go).text == "now") return;
    to_parent.close();
    while (true) {
        // Who comes and goes without a word has been killed, or only looked: the next one may start
        // us. What goes wrong from now on is said to who did.
        SyncSocket visitor = SyncSocket::over(accept_connection(gate));
        const std::optional<SyncMessage> message = visitor.receive();
        if (!message || message->kind != SyncKind::Go) continue;
        to_parent = std::move(visitor);
        return;
    }
    // END SOLUTION
}

}  // namespace tenon
