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

// PR_SET_PDEATHSIG speaks only of deaths after the call. An earlier one shows in the socket: the
// parent's end of it is closed.
void tie_life_to_parent(const SyncSocket& to_parent) {
    const trace::Step step{1, "die with the parent", "or kill -9 of it would orphan the container"};
    sys::set_parent_death_signal(SIGKILL);
    if (to_parent.peer_closed()) ::_exit(exit_own_failure);
}

int run_to_exit_code(const SyncSocket& to_parent, const CloneArgs& args,
                     const ChildMain& child_main) {
    try {
        if (!args.outlives_parent) tie_life_to_parent(to_parent);
        if (args.prepare) to_parent.expect(SyncKind::Go);
        return child_main();
    } catch (...) {
        to_parent.send_failure(std::current_exception());
        return exit_own_failure;
    }
}

}  // namespace

void run_child(const SyncSocket& to_parent, const CloneArgs& args,
               const ChildMain& child_main) noexcept {
    trace::set_role("child");
    const int code = run_to_exit_code(to_parent, args, child_main);
    // _exit: no destructors, no atexit handlers, no flushing of buffers copied from the parent.
    ::_exit(code);
}

}  // namespace tenon
