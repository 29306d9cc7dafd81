// One command after the other, each a process of its own: what they have in common is a folder, and
// the kernel's word. Create is the only one that makes something, and so the only one that has to
// take it back.
#include <csignal>

#include "lifecycle_parts.hpp"
#include "tenon/container.hpp"
#include "tenon/ending.hpp"
#include "tenon/rollback.hpp"
#include "tenon/trace.hpp"

namespace tenon {

NewContainer Container::create(const ContainerRoot& root, const LaunchRequest& request,
                               Bundle bundle, Extensions extensions, Begin begin) {
    const trace::Step step{10, "create", "all of it, or nothing"};
    // BEGIN SOLUTION 10.5
    const EndingSignals signals;  // from before anything is made until all is done
    // What can be refused without having made anything is refused first.
    check_id(request.id);
    LaunchPlan plan = plan_here(bundle.spec, request, extensions);
    Container made{ContainerFolder::make(root, request.id), record_for(request, bundle)};
    Rollback rollback;
    rollback.add([&] { made.folder_.remove(); });
    const FileLock lock = made.folder_.lock();
    made.folder_.write_config(bundle.config);
    rollback.add([&] { run_poststop(made.record_, bundle.spec); });
    const UniqueFd gate = gate_for(made.folder_, begin);
    const auto place = [&](const CgroupHierarchy& hierarchy, const std::string& group) {
        // Before it is made: whoever cleans up after us, if we are killed, knows where to look.
        note_place(plan, hierarchy, group, made.record_);
        made.folder_.write_record(made.record_);
    };
    Launched launched = launch(plan, {.bundle = bundle,
                                      .extensions = extensions,
                                      .gate = gate,
                                      .state = teller_of(made.record_),
                                      .on_place = place});
    UniqueFd terminal = take_terminal(plan, launched);
    note_child(launched, made.record_);
    made.folder_.write_record(made.record_);
    hand_over(request, terminal, launched.child.pid());
    // By hand, and before the child is let go: it has a copy of the open file, and with it the
    // lock. If we are killed after its Go, nobody else is going to release that.
    lock.release();
    Child child = let_go(launched, begin);
    rollback.dismiss();
    return {std::move(made), std::move(child), std::move(terminal)};
    // END SOLUTION
}

void Container::start() const {
    const trace::Step step{10, "start", "through the gate, and until the program runs"};
    // BEGIN SOLUTION 10.5
    const FileLock lock = lock_and_look(Operation::Start);
    require(status(), Operation::Start, record_.id);
    const SyncSocket way_in = pass_gate(folder_, record_);
    // The container says what went wrong, or ends our connection by its exec.
    if (const std::optional<SyncMessage> failure = way_in.receive()) {
        // Engines look for its end as soon as they are told.
        end_first_process(record_);
        rethrow_failure(*failure);
    }
    close_gate(folder_);
    // A hook takes its time, and may ask things of us: the start is over.
    lock.release();
    after_start();
    // END SOLUTION
}

void Container::start_now(Child& child) const {
    // BEGIN SOLUTION 10.5
    child.socket().send(SyncKind::Go, "now");
    child.wait_for_exec();
    after_start();
    // END SOLUTION
}

void Container::after_start() const {
    if (!record_.has_poststart) return;
    try {
        run_poststart(record_, spec());
    } catch (...) {
        // Since 1.3 of the specification: a container whose poststart failed is ended.
        end_first_process(record_);
        throw;
    }
}

void Container::kill(int signal, bool all) const {
    // BEGIN SOLUTION 10.5
    if (all) return signal_everybody(cgroup(), signal);
    // The descriptor first, the look at who it is second: from then on the pid may be anybody's,
    // and the signal goes to the one that was looked at.
    const UniqueFd first = open_first_process(record_);
    require(status(), Operation::Kill, record_.id);
    sys::pidfd_send_signal(first, signal);
    // END SOLUTION
}

void Container::pause() const {
    // BEGIN SOLUTION 10.5
    const FileLock lock = lock_and_look(Operation::Pause);
    require(status(), Operation::Pause, record_.id);
    cgroup().freeze();
    // END SOLUTION
}

void Container::resume() const {
    // BEGIN SOLUTION 10.5
    const FileLock lock = lock_and_look(Operation::Resume);
    require(status(), Operation::Resume, record_.id);
    cgroup().thaw();
    // END SOLUTION
}

void Container::remove(bool by_force) const {
    const trace::Step step{10, "delete", "what create made, and nothing else"};
    // BEGIN SOLUTION 10.5
    // First of all: who has the lock may wait for the container, as a start does for its hooks.
    if (by_force) end_first_process(record_);
    const Operation operation = by_force ? Operation::DeleteByForce : Operation::Delete;
    const FileLock lock = lock_and_look(operation);
    const ContainerStatus now = status();
    require(now, operation, record_.id);
    if (now != ContainerStatus::Stopped) end_first_process(record_);
    // Read while it is there; run when nothing is: "after the container is deleted".
    const oci::Spec config = record_.has_poststop ? spec() : oci::Spec{};
    remove_groups(record_);
    folder_.remove();
    lock.release();  // nobody who waited for it finds anything, and the hooks take their time
    run_poststop(record_, config);
    // END SOLUTION
}

}  // namespace tenon
