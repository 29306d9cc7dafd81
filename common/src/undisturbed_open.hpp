// The one loop around openat2. Internal to common.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "tenon/syscalls.hpp"

namespace tenon::sys {

// EAGAIN: somewhere on the machine a rename or a mount raced with our "..", and the kernel could
// not be sure that we stay inside. To try again is what openat2(2) advises; not for ever, because
// the one who renames may be the one we guard against.
inline long openat2_undisturbed(FdRef directory, CString path, int flags, std::uint64_t resolve) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = resolve;
    constexpr int tries = 128;
    long fd = -1;
    for (int i = 0; i < tries; ++i) {
        fd = ::syscall(SYS_openat2, directory.number(), path.c_str(), &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) break;
    }
    return fd;
}

}  // namespace tenon::sys
