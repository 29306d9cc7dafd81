// The life of pid 1: start the payload, wait for news, pass signals on, reap, and take everybody
// along in the end.
//
// The payload leads a session of its own. So Ctrl-C reaches it and not us, it can have the
// terminal, and Ctrl-Z does not stop it where nobody could continue it: the kernel does not stop
// a group whose parents are all in other sessions. setsid(2), credentials(7)
// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <stdio.h>
#include <unistd.h>
// NOLINTEND(modernize-deprecated-headers)

#include "tenon/init.hpp"

namespace tenon {

int run_init(const InitOptions& options, char* const* argv) {
    // BEGIN SOLUTION 07.3
    // Before the fork: a signal that comes while there is no payload yet must not be lost.
    const SignalBits blocked_before = set_blocked_signals(signals_of_init());
    const struct sigaction disposition = hear_of_children();
    Reaped reaped;
    reaped.payload = fork();
    if (reaped.payload < 0) {
        perror("tenon-init: fork");
        return 125;
    }
    if (reaped.payload == 0) {
        setsid();
        if (options.take_terminal) take_terminal();
        exec_payload(argv, disposition, options.unblock ? 0 : blocked_before);
    }
    while (!reaped.payload_ended) {
        const siginfo_t info = wait_for_signal(signals_of_init());
        if (is_forwarded(info.si_signo)) {
            forward_signal(info, {reaped.payload, options.forward_to_group});
        }
        // A reaped child may have left others to us. SIGCHLD says when there is something to do.
        if (info.si_signo == SIGCHLD) reap_ended(reaped);
        if (options.report_orphans) tell_orphans(reaped.orphans);
    }
    end_everybody_else(reaped);
    if (options.report_orphans) {
        dprintf(STDERR_FILENO, "tenon-init: reaped %lu orphans\n", reaped.orphans);
    }
    return shell_code(reaped.payload_status);
    // END SOLUTION
}

}  // namespace tenon
