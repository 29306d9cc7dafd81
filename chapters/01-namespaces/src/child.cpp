// A child is waited for in two stages: until its program runs (or its error arrives), and until
// it has ended. The pidfd names the process without the races of a number. pidfd_open(2)
#include <csignal>

#include "tenon/error.hpp"
#include "tenon/namespaces.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Destructors must not throw, and there is nothing to do about a refusal here.
void kill_and_reap(FdRef pidfd) noexcept {
    try {
        sys::pidfd_send_signal(pidfd, SIGKILL);
        sys::waitid(pidfd);
    } catch (const SysError&) {
        return;  // ESRCH, ECHILD: it is gone and reaped already
    }
}

}  // namespace

Child::~Child() {
    if (pidfd_.valid()) kill_and_reap(pidfd_);
}

void Child::wait_for_exec() {
    if (!socket_.open()) return;
    const std::optional<SyncMessage> message = socket_.receive();
    socket_.close();
    if (!message) return;
    const trace::Step step{1, "reap the failed child", "it sends its failure last, and ends"};
    sys::waitid(pidfd_);  // before the exception goes up
    pidfd_.reset();
    rethrow_failure(*message);
}

ExitStatus Child::wait() {
    wait_for_exec();
    const trace::Step step{1, "wait for the end", "an unreaped child stays as a zombie"};
    const siginfo_t info = sys::waitid(pidfd_);
    pidfd_.reset();
    return ExitStatus::from(info);
}

void Child::kill(int signal) const {
    sys::pidfd_send_signal(pidfd_, signal);
}

}  // namespace tenon
