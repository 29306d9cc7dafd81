// Every path in a container is written by somebody we do not trust. Looking at it first and using
// it later is a race; openat2 lets the kernel itself walk it with our root as its "/".
// openat2(2), RESOLVE_IN_ROOT
#include <linux/openat2.h>

#include <string>

#include "tenon/rootfs.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

UniqueFd open_beneath(FdRef root, std::string_view path, int flags) {
    // BEGIN SOLUTION 02.2
    // Magic links are doors, not paths: /proc/self/fd/3 leads wherever descriptor 3 lies.
    return sys::openat2(root, std::string{path}, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    // END SOLUTION
}

}  // namespace tenon
