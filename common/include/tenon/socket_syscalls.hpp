/// @file
/// Thin wrappers over the calls that hold a port, and that hand a descriptor to a stranger. Same
/// rules as syscalls.hpp.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <utility>

#include "tenon/fd.hpp"

namespace tenon::sys {

/// SOCK_CLOEXEC is added. @throws SysError  socket: EAFNOSUPPORT (IPv6 is off). @see \man{socket,2}
UniqueFd socket(int domain, int type, int protocol);
/// Two sockets that are connected with each other. @see \man{socketpair,2}
std::pair<UniqueFd, UniqueFd> socketpair(int type);
/// @see \man{setsockopt,2} \man{socket,7}
void setsockopt(FdRef socket, int level, int option, int value);
/// @throws SysError  bind: EADDRINUSE, EACCES (a port below net.ipv4.ip_unprivileged_port_start),
///         EADDRNOTAVAIL (no address of this host). @see \man{bind,2} \man{ip,7}
void bind(FdRef socket, const sockaddr& address, socklen_t size, std::string_view subject);
/// @throws SysError  listen: EADDRINUSE. @see \man{listen,2}
void listen(FdRef socket, int backlog, std::string_view subject);
/// @see \man{shutdown,2}
void shutdown(FdRef socket, int how);
/// @throws SysError  connect: ENOENT, ECONNREFUSED (nobody listens), EACCES, EPROTOTYPE (another
///         type of socket). @see \man{connect,2} \man{unix,7}
void connect(FdRef socket, const sockaddr& address, socklen_t size, std::string_view subject);
/// All of @p text over a stream socket; @p fd goes along with its first byte. No SIGPIPE.
/// @throws SysError  sendmsg: EPIPE, ECONNRESET (the other side is gone). @see \man{unix,7},
///         SCM_RIGHTS
void send_with_descriptor(FdRef socket, std::string_view text, FdRef fd, std::string_view subject);

/// What came in one piece.
struct ReceivedMessage {
    std::string text;
    UniqueFd fd;  ///< valid when one came along
};
/// The next message of a socket that keeps them whole; empty at the end, which the other side's
/// death is, too. @param most  bytes: what is longer is cut. @see \man{unix,7}, SOCK_SEQPACKET
ReceivedMessage receive_with_descriptor(FdRef socket, std::size_t most, std::string_view subject);

/// The network interface @p name of @p socket's namespace is up. @see \man{netdevice,7},
/// SIOCSIFFLAGS
/// @throws SysError  ioctl: ENODEV, EPERM
void bring_up(FdRef socket, std::string_view name);

}  // namespace tenon::sys
