// A process that ends stays in the process table until its parent has asked how: a zombie. When the
// parent is gone, pid 1 is the parent. Nobody asks for pid 1: its zombies would fill the pid limit.
//
// SIGCHLD is no counter. While one is pending, a second one is lost: whoever reaps one child for
// each signal is behind for ever. signal(7), "Queueing and delivery semantics for standard signals"
#include <sys/wait.h>

#include "tenon/init.hpp"

namespace tenon {

int shell_code(int wait_status) {
    // BEGIN SOLUTION 07.1
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    // END SOLUTION
}

bool reap_ended(Reaped& reaped) {
    // BEGIN SOLUTION 07.1
    while (true) {
        int status = 0;
        const pid_t pid = waitpid(-1, &status, WNOHANG);
        // 0: there are children, and none of them has ended. -1, ECHILD: there is none.
        if (pid <= 0) return pid == 0;
        if (pid != reaped.payload) {
            ++reaped.orphans;
            continue;
        }
        reaped.payload_ended = true;
        reaped.payload_status = status;
    }
    // END SOLUTION
}

}  // namespace tenon
