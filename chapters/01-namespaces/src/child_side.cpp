// The one noexcept boundary between clone and exec: whatever happens in the child is either an
// exit code or a message to the parent, and the child's copy of the parent's stack is never
// unwound.
#include "child_side.hpp"

#include <unistd.h>

#include <csignal>

#include "tenon/program.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// After a prepare step; and always when a joiner made the child: the joiner may end, killed, before
// it could name the child to the parent. The missing Go tells the child that nobody owns it.
bool waits_for_go(const CloneArgs& args) {
    return args.prepare || !args.join.empty();
}

int run_to_exit_code(SyncSocket& to_parent, const CloneArgs& args, const ChildMain& child_main) {
    try {
        if (!args.outlives_parent) die_with_parent(to_parent);
        if (waits_for_go(args)) to_parent.expect(SyncKind::Go);
        return child_main(to_parent);
    } catch (...) {
        to_parent.send_failure(std::current_exception());
        return exit_own_failure;
    }
}

}  // namespace

// PR_SET_PDEATHSIG speaks only of deaths after the call. An earlier one shows in the socket: the
// parent's end of it is closed.
void die_with_parent(const SyncSocket& to_parent) {
    const trace::Step step{1, "die with the parent", "or kill -9 of it would orphan the container"};
    sys::set_parent_death_signal(SIGKILL);
    if (to_parent.peer_closed()) ::_exit(exit_own_failure);
}

void release_child(const Child& child, const CloneArgs& args) {
    if (args.prepare) args.prepare(child);
    if (waits_for_go(args)) child.socket().send(SyncKind::Go);
}

void run_child(SyncSocket& to_parent, const CloneArgs& args, const ChildMain& child_main) noexcept {
    trace::set_role("child");
    const trace::Step step{1, "prepare the command", "all that follows happens inside"};
    const int code = run_to_exit_code(to_parent, args, child_main);
    // _exit: no destructors, no atexit handlers, no flushing of buffers copied from the parent.
    ::_exit(code);
}

}  // namespace tenon
