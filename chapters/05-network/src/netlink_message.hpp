// A netlink message in the making: a header, what the message type puts after it, then attributes,
// of which some hold others. netlink(7), rtnetlink(7)
//
//     NetlinkMessage message{RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL};
//     message.put_header(ifinfomsg{});
//     message.put(IFLA_IFNAME, "tenon0");
//     {
//         const auto info = message.nest(IFLA_LINKINFO);   // open until the end of this block
//         message.put(IFLA_INFO_KIND, "bridge");
//     }
//     netlink.request(message.get(), "make bridge", "tenon0");
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>

#include "tenon/fd.hpp"
#include "tenon/ip_address.hpp"

namespace tenon {

class NetlinkMessage {
  public:
    /// An attribute that holds those put in while it lives.
    class Nest {
      public:
        Nest(nlmsghdr& message, nlattr& start) : message_(message), start_(start) {}
        Nest(const Nest&) = delete;
        Nest& operator=(const Nest&) = delete;
        ~Nest() { mnl_attr_nest_end(&message_, &start_); }

      private:
        nlmsghdr& message_;
        nlattr& start_;
    };

    /// NLM_F_REQUEST is added. @param type  RTM_*  @param flags  NLM_F_*
    NetlinkMessage(std::uint16_t type, unsigned flags) : message_(*mnl_nlmsg_put_header(&bytes_)) {
        message_.nlmsg_type = type;
        message_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    }
    NetlinkMessage(const NetlinkMessage&) = delete;
    NetlinkMessage& operator=(const NetlinkMessage&) = delete;
    ~NetlinkMessage() = default;

    /// The message type's own structure; VETH_INFO_PEER begins with one, too.
    template <typename Header>
    void put_header(const Header& header) {
        require(sizeof header);
        std::memcpy(mnl_nlmsg_put_extra_header(&message_, sizeof header), &header, sizeof header);
    }
    void put(std::uint16_t attribute, std::uint32_t number) {
        put(attribute, std::as_bytes(std::span{&number, 1}));
    }
    /// With its NUL byte. @pre there is no other one in it
    void put(std::uint16_t attribute, std::string_view text) {
        const std::string terminated{text};
        put(attribute, std::as_bytes(std::span{terminated.c_str(), terminated.size() + 1}));
    }
    void put(std::uint16_t attribute, const char* text) { put(attribute, std::string_view{text}); }
    void put(std::uint16_t attribute, const IpAddress& address) {
        put(attribute, std::as_bytes(std::span{address.bytes}.first(address.size())));
    }
    /// A descriptor by its number: IFLA_NET_NS_FD.
    void put(std::uint16_t attribute, FdRef descriptor) {
        put(attribute, static_cast<std::uint32_t>(descriptor.number()));
    }
    void put(std::uint16_t attribute, std::span<const std::byte> bytes) {
        require(MNL_ATTR_HDRLEN + bytes.size());
        mnl_attr_put(&message_, attribute, bytes.size(), bytes.data());
    }
    template <std::size_t Size>
    void put(std::uint16_t attribute, const std::array<std::uint8_t, Size>& bytes) {
        put(attribute, std::as_bytes(std::span{bytes}));
    }
    [[nodiscard]] Nest nest(std::uint16_t attribute) {
        require(MNL_ATTR_HDRLEN);
        return {message_, *mnl_attr_nest_start(&message_, attribute)};
    }

    [[nodiscard]] nlmsghdr& get() { return message_; }

  private:
    void require(std::size_t more) const {
        if (message_.nlmsg_len + MNL_ALIGN(more) > bytes_.size()) {
            throw std::length_error("a netlink message of more than 1024 bytes");
        }
    }

    alignas(nlmsghdr) std::array<std::byte, 1024> bytes_{};
    nlmsghdr& message_;
};

}  // namespace tenon
