// Whoever starts a container stands for it: a supervisor, a shell, a user's Ctrl-C know this
// process and not the one inside. So what we are sent is meant for it.
//
// SIGTERM asks for an end, and is answered in any case. A pid 1 that installed no handler never
// hears it (pid_namespaces(7)); a shell waits for its child first; some swallow it. After the grace
// period there is SIGKILL, which pid 1 cannot refuse to those outside its namespace.
#include "tenon/attend.hpp"

#include "tenon/trace.hpp"

namespace tenon {

ExitStatus attend(Child& child, Attention& attention, const StopPolicy& policy) {
    const trace::Step step{7, "attend the container", "what we are sent is meant for it"};
    // BEGIN SOLUTION 07.4
    using Event = Attention::Event;
    std::optional<Attention::Clock::time_point> deadline;
    while (true) {
        const Event event = attention.wait(child.pidfd(), deadline);
        if (event == Event::Ended) return child.wait();
        if (event == Event::TimeIsUp) {
            child.kill(SIGKILL);
            deadline.reset();
            continue;
        }
        ArrivedSignal signal = attention.signal();
        if (signal.number == SIGTERM) {
            signal.number = policy.signal;
            // From the first one on: whoever repeats it wants less patience, not more.
            if (!deadline) deadline = Attention::Clock::now() + policy.grace;
        }
        pass_on(signal, child);
    }
    // END SOLUTION
}

}  // namespace tenon
