// bind(2) and connect(2) look up the path of an address like any other, links of /proc included.
#include "tenon/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "tenon/error.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

sockaddr_un address_of(FdRef folder, const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.number(), name);
    if (path.size() >= sizeof address.sun_path) throw SysError(ENAMETOOLONG, "connect", name);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

UniqueFd connect_as(FdRef folder, const std::string& name, int type, const std::string& subject) {
    const sockaddr_un address = address_of(folder, name);
    UniqueFd connection = sys::socket(AF_UNIX, type, 0);
    sys::connect(connection, reinterpret_cast<const sockaddr&>(address), sizeof address, subject);
    return connection;
}

}  // namespace

UniqueFd listen_at(FdRef folder, const std::string& name, int type) {
    const sockaddr_un address = address_of(folder, name);
    UniqueFd listener = sys::socket(AF_UNIX, type, 0);
    sys::bind(listener, reinterpret_cast<const sockaddr&>(address), sizeof address, name);
    sys::listen(listener, SOMAXCONN, name);
    return listener;
}

UniqueFd bind_at(FdRef folder, const std::string& name) {
    const sockaddr_un address = address_of(folder, name);
    UniqueFd socket = sys::socket(AF_UNIX, SOCK_DGRAM, 0);
    sys::bind(socket, reinterpret_cast<const sockaddr&>(address), sizeof address, name);
    return socket;
}

UniqueFd connect_to(FdRef folder, const std::string& name, int type) {
    return connect_as(folder, name, type, name);
}

UniqueFd connect_to(const std::string& path, int type) {
    const std::size_t slash = path.rfind('/');
    const std::string folder_path = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const UniqueFd folder =
        sys::openat(FdRef::working_directory(), folder_path, O_PATH | O_DIRECTORY);
    return connect_as(folder, path.substr(slash + 1), type, path);
}

UniqueFd accept_connection(FdRef listener) {
    long number = -1;
    do {
        number = ::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC);
    } while (number < 0 && errno == EINTR);
    return UniqueFd{static_cast<int>(check(number, "accept"))};
}

}  // namespace tenon
