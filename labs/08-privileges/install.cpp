// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// One call, and no way back: from its return on the filter is asked about everything, the next
// system call of this very function included. It is the last step before execve for that reason:
// what comes after it must be allowed to the container.
#include <linux/seccomp.h>

#include "tenon/seccomp.hpp"
#include "tenon/seccomp_syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/todo.hpp"

namespace tenon::seccomp {

std::optional<UniqueFd> install(const Filter& filter) {
    const trace::Step step{8, "put the filter before every call", "and nobody takes it away"};
    // TASK 08.4  before every call, for good  (20 points)
    // man: seccomp(2), seccomp_unotify(2)
    // hint: One system call, and from its return on the filter decides about the next one. What
    //   does the kernel give back when calls are to be answered by somebody else?
    // more: ./course hint 08.4
    TENON_TODO("08.4");
}

}  // namespace tenon::seccomp
