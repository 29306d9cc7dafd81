// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// The child was born with the ids of its maker. In the new namespace those may have no number at
// all; it has every capability there, and no right over any file. So the first thing that it does
// is to become the namespace's root, before anything is made that would belong to nobody.
// user_namespaces(7), "Capabilities"; credentials(7)
#include <fcntl.h>

#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns.hpp"
#include "tenon/todo.hpp"

namespace tenon {

namespace {

// `allow` or `deny`, for good. The host's /proc: the root is not changed yet.
[[maybe_unused]] bool may_leave_groups() {
    return read_kernel_file(FdRef::working_directory(), "/proc/self/setgroups")
        .starts_with("allow");
}

}  // namespace

void become_container_root() {
    const trace::Step step{9, "become the container's root",
                           "whoever made us has no number in here"};
    // TASK 09.4  the child becomes root in there  (15 points)
    // man: user_namespaces(7), setresuid(2), setgroups(2)
    // hint: The child still has the ids of its maker. What of them would the container have over
    //   files of the host?
    // more: ./course hint 09.4
    TENON_TODO("09.4");
}

}  // namespace tenon
