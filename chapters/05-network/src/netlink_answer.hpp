// Reading what the kernel sends: a header, then attributes. libmnl's own loops are macros that only
// C takes. What is shorter than it should be reads as zero or empty, never past its end.
#pragma once

#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "tenon/ip_address.hpp"

namespace tenon {

// Calls `each` with every attribute of the `size` bytes that begin at `begin`.
template <typename Each>
void for_each_attribute_in(const void* begin, std::size_t size, const Each& each) {
    const auto* const end = static_cast<const std::byte*>(begin) + size;
    const auto* attribute = static_cast<const nlattr*>(begin);
    const auto left = [&] {
        return static_cast<int>(end -
                                static_cast<const std::byte*>(static_cast<const void*>(attribute)));
    };
    for (; mnl_attr_ok(attribute, left()); attribute = mnl_attr_next(attribute)) each(*attribute);
}

// Those of a message, behind a header of `header` bytes.
template <typename Each>
void for_each_attribute(const nlmsghdr& message, std::size_t header, const Each& each) {
    const std::size_t payload = mnl_nlmsg_get_payload_len(&message);
    const std::size_t before = MNL_ALIGN(header);
    if (payload <= before) return;
    for_each_attribute_in(mnl_nlmsg_get_payload_offset(&message, header), payload - before, each);
}

// Those that another attribute holds.
template <typename Each>
void for_each_attribute(const nlattr& outer, const Each& each) {
    for_each_attribute_in(mnl_attr_get_payload(&outer), mnl_attr_get_payload_len(&outer), each);
}

template <typename Header>
Header header_of(const nlmsghdr& message) {
    Header header{};
    const std::size_t size = std::min(sizeof header, mnl_nlmsg_get_payload_len(&message));
    std::memcpy(&header, mnl_nlmsg_get_payload(&message), size);
    return header;
}

inline std::uint32_t number_of(const nlattr& attribute) {
    return mnl_attr_validate(&attribute, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(&attribute);
}

inline std::uint8_t byte_of(const nlattr& attribute) {
    return mnl_attr_validate(&attribute, MNL_TYPE_U8) < 0 ? std::uint8_t{0}
                                                          : mnl_attr_get_u8(&attribute);
}

inline std::string text_of(const nlattr& attribute) {
    const bool ends = mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) >= 0;
    return ends ? mnl_attr_get_str(&attribute) : "";
}

// As many bytes as both sides have.
template <std::size_t Size>
void copy_bytes(const nlattr& attribute, std::array<std::uint8_t, Size>& to) {
    const std::size_t size = std::min<std::size_t>(Size, mnl_attr_get_payload_len(&attribute));
    std::memcpy(to.data(), mnl_attr_get_payload(&attribute), size);
}

inline IpAddress address_of(int family, const nlattr& attribute) {
    IpAddress address = IpAddress::any(family);
    copy_bytes(attribute, address.bytes);
    return address;
}

}  // namespace tenon
