#include "route_socket.hpp"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::ext {

namespace {

// A dump comes in pieces of up to this size. linux: netlink_dump()
constexpr std::size_t largest_answer = 32768;

constexpr std::size_t aligned(std::size_t size) {
    return (size + 3) & ~std::size_t{3};
}

[[noreturn]] void cut_short() {
    throw std::runtime_error("rtnetlink: an answer is cut short");
}

template <typename Header>
Header front_of(std::span<const std::byte> bytes) {
    Header header{};
    if (bytes.size() < sizeof header) cut_short();
    std::memcpy(&header, bytes.data(), sizeof header);
    return header;
}

// The piece at the front of `bytes`, of that size, is cut off.
std::span<const std::byte> take(std::span<const std::byte>& bytes, std::size_t size) {
    if (size > bytes.size()) cut_short();
    const std::span<const std::byte> piece = bytes.first(size);
    bytes = bytes.subspan(std::min(aligned(size), bytes.size()));
    return piece;
}

// Whether it was the last one.
bool take_answer(std::span<const std::byte>& rest, std::string_view call, std::string_view subject,
                 const std::function<void(const RouteAnswer&)>& each) {
    const auto header = front_of<nlmsghdr>(rest);
    if (header.nlmsg_len < sizeof header) cut_short();
    const std::span<const std::byte> body = take(rest, header.nlmsg_len).subspan(sizeof(nlmsghdr));
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
        const int error = -front_of<int>(body);
        if (error != 0) throw SysError(error, call, subject);
        return true;  // it is the acknowledgement
    }
    if (each) each(RouteAnswer{body});
    return false;
}

}  // namespace

RouteMessage::RouteMessage(std::uint16_t type, unsigned flags) {
    const nlmsghdr header{.nlmsg_len = 0,
                          .nlmsg_type = type,
                          .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags)};
    append(std::as_bytes(std::span{&header, 1}));
}

// The first field is the size of all of it.
void RouteMessage::append(std::span<const std::byte> more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    bytes_.resize(aligned(bytes_.size()));
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &size, sizeof size);
}

void RouteMessage::put(std::uint16_t type, std::span<const std::byte> value) {
    const rtattr attribute{.rta_len = static_cast<std::uint16_t>(sizeof(rtattr) + value.size()),
                           .rta_type = type};
    append(std::as_bytes(std::span{&attribute, 1}));
    append(value);
}

void RouteMessage::put(std::uint16_t type, std::string_view text) {
    const std::string terminated{text};
    put(type, std::as_bytes(std::span{terminated.c_str(), terminated.size() + 1}));
}

void RouteAnswer::copy_front(std::span<std::byte> target) const {
    if (bytes_.size() < target.size()) cut_short();
    std::memcpy(target.data(), bytes_.data(), target.size());
}

std::vector<RouteAttribute> RouteAnswer::attributes(std::size_t header_size) const {
    std::vector<RouteAttribute> all;
    std::span<const std::byte> rest = bytes_.subspan(std::min(aligned(header_size), bytes_.size()));
    while (rest.size() >= sizeof(rtattr)) {
        const auto attribute = front_of<rtattr>(rest);
        if (attribute.rta_len < sizeof attribute) cut_short();
        const std::span<const std::byte> piece = take(rest, attribute.rta_len);
        all.push_back({attribute.rta_type, piece.subspan(sizeof(rtattr))});
    }
    return all;
}

RouteSocket RouteSocket::open() {
    return RouteSocket{sys::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
}

RouteSocket RouteSocket::open_in(FdRef netns) {
    const UniqueFd own = sys::openat(FdRef::working_directory(), "/proc/self/ns/net", O_RDONLY);
    sys::setns(netns, CLONE_NEWNET, "the container's network");
    try {
        RouteSocket socket = open();
        sys::setns(own, CLONE_NEWNET, "our own network");
        return socket;
    } catch (...) {
        sys::setns(own, CLONE_NEWNET, "our own network");
        throw;
    }
}

void RouteSocket::request(const RouteMessage& message, std::string_view call,
                          std::string_view subject,
                          const std::function<void(const RouteAnswer&)>& each) const {
    sys::write_once(socket_,
                    {reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size()},
                    subject);
    std::vector<std::byte> buffer(largest_answer);
    for (bool last = false; !last;) {
        std::span<const std::byte> rest =
            std::span{buffer}.first(sys::read(socket_, buffer, subject));
        while (!last && !rest.empty()) last = take_answer(rest, call, subject, each);
    }
}

}  // namespace tenon::ext
