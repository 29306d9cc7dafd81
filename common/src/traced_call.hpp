// How every wrapper runs its call: reported when the trace is on, one branch when it is off.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "tenon/error.hpp"
#include "tenon/fd.hpp"
#include "tenon/trace.hpp"

namespace tenon::sys {

// "7</run/rootfs>" as strace -y writes it; the number alone when procfs is out of sight.
std::string describe(FdRef fd);

// Runs `invoke`, which returns as system calls do. `arguments` is a callable that makes the text
// for the trace: called only when somebody reads it.
template <typename Invoke, typename Arguments>
long traced_call(std::string_view name, std::string_view subject, Invoke invoke,
                 Arguments arguments) {
    if (!trace::enabled()) [[likely]] {
        return check(invoke(), name, subject);
    }
    trace::Call record{name, arguments()};
    const long rc = invoke();
    const int error = rc < 0 ? errno : 0;
    record.finish(error, std::to_string(rc));
    if (error != 0) throw SysError(error, name, subject);
    return rc;
}

// The same for a call whose result is a new descriptor.
template <typename Invoke, typename Arguments>
UniqueFd traced_open(std::string_view name, std::string_view subject, Invoke invoke,
                     Arguments arguments) {
    return UniqueFd{static_cast<int>(traced_call(name, subject, invoke, arguments))};
}

}  // namespace tenon::sys
