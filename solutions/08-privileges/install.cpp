// One call, and no way back: from its return on the filter is asked about everything, the next
// system call of this very function included. It is the last step before execve for that reason:
// what comes after it must be allowed to the container.
#include <linux/seccomp.h>

#include "tenon/seccomp.hpp"
#include "tenon/seccomp_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon::seccomp {

std::optional<UniqueFd> install(const Filter& filter) {
    const trace::Step step{8, "put the filter before every call", "and nobody takes it away"};
    // BEGIN SOLUTION 08.4
    const unsigned flags =
        filter.flags | (filter.wants_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0U);
    UniqueFd listener = sys::seccomp_set_filter(filter.program, flags);
    if (!filter.wants_listener) return std::nullopt;
    return listener;
    // END SOLUTION
}

}  // namespace tenon::seccomp
