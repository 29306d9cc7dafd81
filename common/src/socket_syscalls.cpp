// One wrapper per call, as in syscalls.cpp.
#include "tenon/socket_syscalls.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "traced_call.hpp"

namespace tenon::sys {

namespace {

// One sendmsg of what is left, restarted after EINTR. `fd` may be invalid: then none goes along.
std::size_t send_some(FdRef socket, std::string_view text, FdRef fd, std::string_view subject) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (fd.valid()) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        const int number = fd.number();
        std::memcpy(CMSG_DATA(rights), &number, sizeof number);
    }
    const auto invoke = [&] {
        long sent = -1;
        do {
            sent = ::sendmsg(socket.number(), &header, MSG_NOSIGNAL);
        } while (sent < 0 && errno == EINTR);
        return sent;
    };
    return static_cast<std::size_t>(traced_call("sendmsg", subject, invoke, [&] {
        return fmt::format("{}, {} bytes{}", describe(socket), text.size(),
                           fd.valid() ? ", SCM_RIGHTS " + describe(fd) : "");
    }));
}

}  // namespace

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

void connect(FdRef socket, const sockaddr& address, socklen_t size, std::string_view subject) {
    traced_call(
        "connect", subject, [&] { return ::connect(socket.number(), &address, size); },
        [&] { return fmt::format("{}, {}", describe(socket), subject); });
}

void send_with_descriptor(FdRef socket, std::string_view text, FdRef fd, std::string_view subject) {
    std::size_t sent = send_some(socket, text, fd, subject);
    while (sent < text.size()) sent += send_some(socket, text.substr(sent), FdRef{}, subject);
}

}  // namespace tenon::sys
