// A conversation with the kernel about network devices. Chapter 05 has a richer one, by a library
// that there is as a shared one only; this program is static, and asks five things. rtnetlink(7)
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon::ext {

// What is asked for, in the making: a header, the type's own header, attributes.
class RouteMessage {
  public:
    template <typename Header>
    RouteMessage(std::uint16_t type, unsigned flags, const Header& header)
        : RouteMessage(type, flags) {
        append(std::as_bytes(std::span{&header, 1}));
    }
    void put(std::uint16_t type, std::span<const std::byte> value);
    void put(std::uint16_t type, std::string_view text);  // with its NUL
    void put(std::uint16_t type, std::uint32_t number) {
        put(type, std::as_bytes(std::span{&number, 1}));
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

  private:
    RouteMessage(std::uint16_t type, unsigned flags);
    void append(std::span<const std::byte> more);
    std::vector<std::byte> bytes_;
};

// An attribute of an answer.
struct RouteAttribute {
    std::uint16_t type = 0;
    std::span<const std::byte> value;
};

// An answer.
class RouteAnswer {
  public:
    explicit RouteAnswer(std::span<const std::byte> bytes) : bytes_(bytes) {}
    // The type's own header. Throws std::runtime_error where the answer is too short.
    template <typename Header>
    [[nodiscard]] Header header() const {
        Header header{};
        copy_front(std::as_writable_bytes(std::span{&header, 1}));
        return header;
    }
    // Those behind a header of that size.
    [[nodiscard]] std::vector<RouteAttribute> attributes(std::size_t header_size) const;

  private:
    void copy_front(std::span<std::byte> target) const;
    std::span<const std::byte> bytes_;  // behind nlmsghdr
};

class RouteSocket {
  public:
    // Of the caller's network namespace. It stays with it.
    static RouteSocket open();
    // Of another one. Throws SysError  setns: EPERM
    static RouteSocket open_in(FdRef netns);

    // Throws SysError  call: what the kernel says. `each` is handed the answers, if there are any.
    void request(const RouteMessage& message, std::string_view call, std::string_view subject,
                 const std::function<void(const RouteAnswer&)>& each = {}) const;

  private:
    explicit RouteSocket(UniqueFd socket) : socket_(std::move(socket)) {}
    UniqueFd socket_;
};

}  // namespace tenon::ext
