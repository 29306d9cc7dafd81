// The one namespace that is not made by anybody.
#include "tenon/rootfs_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

bool in_initial_user_namespace() {
    // Namespaces' files have their numbers as inodes, and the first user namespace a fixed one:
    // PROC_USER_INIT_INO in include/linux/proc_ns.h.
    constexpr ino_t first_user_namespace = 4026531837U;
    return sys::stat("/proc/self/ns/user").st_ino == first_user_namespace;
}

}  // namespace tenon
