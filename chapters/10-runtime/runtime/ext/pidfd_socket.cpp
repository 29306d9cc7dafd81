#include "pidfd_socket.hpp"

#include <sys/socket.h>

#include "tenon/socket_syscalls.hpp"
#include "tenon/unix_socket.hpp"

namespace tenon::ext {

PidfdSocket::PidfdSocket(const std::string& path)
    : path_(path), receiver_(connect_to(path, SOCK_STREAM)) {}

// The text says what it is of: `setns` for exec.
void PidfdSocket::on_child_created(const Child& child) {
    sys::send_with_descriptor(receiver_, "standard", child.pidfd(), path_);
}

}  // namespace tenon::ext
