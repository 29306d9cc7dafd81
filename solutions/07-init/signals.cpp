// For pid 1 no signal has a default action: what would end another process is thrown away, unless
// pid 1 has asked for it. So an init without this file cannot be stopped from inside, and passes
// nothing on. A blocked signal is kept for whoever waits for it, also for pid 1.
// pid_namespaces(7), "The namespace init process"; sigprocmask(2)
#include "tenon/init.hpp"

namespace tenon {

SignalBits signals_of_init() {
    // BEGIN SOLUTION 07.2
    // A fault of our own ends us all the same: the kernel unblocks what it must deliver.
    return ~SignalBits{0};
    // END SOLUTION
}

bool is_forwarded(int signal) {
    // BEGIN SOLUTION 07.2
    // The stop signals, too: the payload leads a session, so that the kernel does not stop it by
    // SIGTSTP (setpgid(2), orphaned process groups), but it may want to hear.
    return signal >= 1 && signal <= last_signal && signal != SIGCHLD && signal != SIGKILL &&
           signal != SIGSTOP;
    // END SOLUTION
}

void forward_signal(const siginfo_t& info, const ForwardTarget& target) {
    // BEGIN SOLUTION 07.2
    // Refused (ESRCH) as long as it has not called setsid. Then there is nobody but itself.
    if (target.group && kill(-target.payload, info.si_signo) == 0) return;
    if (info.si_code == SI_QUEUE && sigqueue(target.payload, info.si_signo, info.si_value) == 0) {
        return;
    }
    // Without a value; or without room for one (EAGAIN), and then the signal alone.
    kill(target.payload, info.si_signo);
    // END SOLUTION
}

}  // namespace tenon
