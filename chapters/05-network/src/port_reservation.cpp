// SO_REUSEADDR lets us have a port on which ended connections still wait (TIME_WAIT), but it would
// let a second socket of that kind have it too, until one of them listens. So: listen, which
// settles it; take the option back, which makes every later bind(2) a conflict; and stop listening,
// or clients would be taken in and never answered. socket(7), ip(7)
#include "port_reservation.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/socket_syscalls.hpp"

namespace tenon {

namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    // The kernel's own way to tell families apart: a common beginning.
    [[nodiscard]] const sockaddr& generic() const {
        return reinterpret_cast<const sockaddr&>(storage);  // NOLINT: sockaddr(3type)
    }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
    SocketAddress made;
    if (address.family == AF_INET) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.bytes.data(), sizeof in.sin_addr);
        std::memcpy(&made.storage, &in, made.size = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        std::memcpy(&in.sin6_addr, address.bytes.data(), sizeof in.sin6_addr);
        std::memcpy(&made.storage, &in, made.size = sizeof in);
    }
    return made;
}

UniqueFd hold(const PortMapping& port, const std::string& subject) {
    const bool tcp = port.protocol == Protocol::Tcp;
    const int family = port.host_address.family;
    UniqueFd socket = sys::socket(family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    // [::] without it would take the IPv4 port as well.
    if (family == AF_INET6) sys::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (tcp) sys::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    const SocketAddress address = socket_address(port.host_address, port.host_port);
    sys::bind(socket, address.generic(), address.size, subject);
    if (!tcp) return socket;
    sys::listen(socket, 0, subject);
    sys::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, 0);
    sys::shutdown(socket, SHUT_RD);
    return socket;
}

}  // namespace

UniqueFd reserve_port(const PortMapping& port) {
    const std::string subject = port.text();
    try {
        return hold(port, subject);
    } catch (const SysError& error) {
        if (error.error() != EADDRINUSE) throw SysError(error.error(), "reserve port", subject);
        throw std::runtime_error(fmt::format("port {} is taken by {}: end it, or choose another",
                                             subject,
                                             program_on(port).value_or("another program")));
    }
}

bool conflict(const PortMapping& one, const PortMapping& other) {
    const IpAddress& a = one.host_address;
    const IpAddress& b = other.host_address;
    return one.protocol == other.protocol && one.host_port == other.host_port &&
           a.family == b.family && (a == b || a.is_any() || b.is_any());
}

}  // namespace tenon
