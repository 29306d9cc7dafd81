// One wrapper per call, as in syscalls.cpp.
#include "tenon/socket_syscalls.hpp"

#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>

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

std::pair<UniqueFd, UniqueFd> socketpair(int type) {
    int ends[2] = {-1, -1};
    check(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), "socketpair");
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
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

void bring_up(FdRef socket, std::string_view name) {
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    check(::ioctl(socket.number(), SIOCGIFFLAGS, &request), "ioctl", name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    check(::ioctl(socket.number(), SIOCSIFFLAGS, &request), "ioctl", name);
}

ReceivedMessage receive_with_descriptor(FdRef socket, std::size_t most, std::string_view subject) {
    ReceivedMessage message{.text = std::string(most, '\0'), .fd = {}};
    iovec part{message.text.data(), message.text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    // Not CMSG_SPACE: its padding has room for a second descriptor, which nobody would close.
    header.msg_controllen = CMSG_LEN(sizeof(int));
    const auto invoke = [&] {
        long length = -1;
        do {
            length = ::recvmsg(socket.number(), &header, MSG_CMSG_CLOEXEC);
        } while (length < 0 && errno == EINTR);
        return length < 0 && errno == ECONNRESET ? 0 : length;
    };
    const long length = traced_call("recvmsg", subject, invoke, [&] { return describe(socket); });
    const cmsghdr* const rights = length > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
    if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
        int number = -1;
        std::memcpy(&number, CMSG_DATA(rights), sizeof number);
        message.fd = UniqueFd{number};
    }
    message.text.resize(static_cast<std::size_t>(length));
    return message;
}

}  // namespace tenon::sys
