// glibc has no seccomp(): raw calls. One wrapper per operation, as in syscalls.cpp.
#include "tenon/seccomp_syscalls.hpp"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "filtered_trace.hpp"
#include "traced_call.hpp"

namespace tenon::sys {

UniqueFd seccomp_set_filter(std::span<const sock_filter> program, unsigned flags) {
    sock_fprog loan{static_cast<unsigned short>(program.size()),
                    const_cast<sock_filter*>(program.data())};
    trace::expect_filter();
    const long result = traced_call(
        "seccomp", "SECCOMP_SET_MODE_FILTER",
        [&] { return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &loan); },
        [&] {
            return fmt::format("SECCOMP_SET_MODE_FILTER, {:#x}, {} instructions", flags,
                               program.size());
        });
    trace::obey_filter();
    const bool listens = (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
    return UniqueFd{listens ? static_cast<int>(result) : -1};
}

bool seccomp_has_action(std::uint32_t action) {
    const long rc = ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
    if (rc < 0 && errno == EOPNOTSUPP) return false;
    check(rc, "seccomp", "SECCOMP_GET_ACTION_AVAIL");
    return true;
}

}  // namespace tenon::sys
