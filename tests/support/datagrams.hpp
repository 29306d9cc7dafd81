// A SOCK_SEQPACKET pair shows how many write(2) there were: each arrives as one message.
#pragma once

#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "descriptors.hpp"

namespace tenon::test {

inline Ends make_datagram_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        throw std::runtime_error("socketpair");
    }
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

// All that waits there, each message by itself.
inline std::vector<std::string> datagrams_in(FdRef socket) {
    std::vector<std::string> messages;
    std::string buffer(std::size_t{1} << 17, '\0');
    while (true) {
        const long length = ::recv(socket.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (length <= 0) return messages;
        messages.push_back(buffer.substr(0, static_cast<std::size_t>(length)));
    }
}

}  // namespace tenon::test
