// One wrapper per call, as in syscalls.cpp.
#include "tenon/socket_syscalls.hpp"

#include <fmt/format.h>

#include "traced_call.hpp"

namespace tenon::sys {

UniqueFd socket(int domain, int type, int protocol) {
    return traced_open(
        "socket", "", [&] { return ::socket(domain, type | SOCK_CLOEXEC, protocol); },
        [&] { return fmt::format("{}, {}, {}", domain, type, protocol); });
}

void setsockopt(FdRef socket, int level, int option, int value) {
    check(::setsockopt(socket.number(), level, option, &value, sizeof value), "setsockopt");
}

void bind(FdRef socket, const sockaddr& address, socklen_t size, std::string_view subject) {
    traced_call(
        "bind", subject, [&] { return ::bind(socket.number(), &address, size); },
        [&] { return fmt::format("{}, {}", describe(socket), subject); });
}

void listen(FdRef socket, int backlog, std::string_view subject) {
    traced_call(
        "listen", subject, [&] { return ::listen(socket.number(), backlog); },
        [&] { return fmt::format("{}, {}", describe(socket), backlog); });
}

void shutdown(FdRef socket, int how) {
    check(::shutdown(socket.number(), how), "shutdown");
}

}  // namespace tenon::sys
