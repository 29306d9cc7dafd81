// The child was born with the ids of its maker. In the new namespace those may have no number at
// all; it has every capability there, and no right over any file. So the first thing that it does
// is to become the namespace's root, before anything is made that would belong to nobody.
// user_namespaces(7), "Capabilities"; credentials(7)
#include <fcntl.h>

#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns.hpp"

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
    // BEGIN SOLUTION 09.4
    // The caller's groups would open the host's files to the container, and nobody inside could
    // tell: they all read as 65534.
    if (may_leave_groups()) sys::drop_groups();
    // The gid before the uid: a process that has become somebody else may change neither.
    sys::become_root();
    // END SOLUTION
}

}  // namespace tenon
