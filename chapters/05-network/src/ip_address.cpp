// Addresses as people write them. inet_pton(3) judges what an address is: it takes no leading
// zeros (which some programs read as octal), no shortened 10.1, no blanks. What it takes and the
// rest of the chapter could misread is refused here, with a word on what to write instead.
#include "tenon/ip_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

namespace tenon {

namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
    throw std::invalid_argument(fmt::format("'{}': {}", text, why));
}

// Decimal digits and nothing else: no sign, no blank, no leading zero.
std::optional<unsigned> number_in(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    if (text.size() > 1 && text.front() == '0') return {};
    return value;
}

bool parse_into(IpAddress& address, int family, const std::string& text) {
    address = IpAddress::any(family);
    return ::inet_pton(family, text.c_str(), address.bytes.data()) == 1;
}

// ::ffff:10.0.0.1: the kernel's way to speak IPv4 through an IPv6 socket, and no network's address.
bool is_mapped(const IpAddress& address) {
    static const IpPrefix mapped{{AF_INET6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 96};
    return mapped.contains(address);
}

unsigned bits_of(const IpAddress& address) {
    return static_cast<unsigned>(address.size()) * 8;
}

// Which bits of byte number @p index belong to a prefix of @p length bits.
std::uint8_t mask_of_byte(std::size_t index, unsigned length) {
    const std::size_t before = index * 8;
    if (length <= before) return 0;
    const unsigned set = std::min<unsigned>(8, length - static_cast<unsigned>(before));
    return static_cast<std::uint8_t>(0xff00U >> set);
}

}  // namespace

// ---- addresses ------------------------------------------------------------------------------

IpAddress IpAddress::parse(std::string_view text) {
    const std::string copy{text};
    // inet_pton would read up to the first of them.
    if (text.find('\0') != std::string_view::npos) refuse(copy.c_str(), "holds a NUL byte");
    if (text.find('%') != std::string_view::npos) {
        refuse(text, "an address with a zone (%eth0) means something on one host only");
    }
    IpAddress address;
    if (parse_into(address, AF_INET, copy)) return address;
    if (!parse_into(address, AF_INET6, copy)) refuse(text, "no IPv4 or IPv6 address");
    if (is_mapped(address)) refuse(text, "an IPv4 address in IPv6's clothes: write it as IPv4");
    return address;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(family, bytes.data(), text.data(), text.size());
}

bool IpAddress::is_loopback() const {
    if (family == AF_INET) return bytes[0] == 127;
    std::array<std::uint8_t, 16> one{};
    one.back() = 1;
    return bytes == one;
}

// ---- prefixes -------------------------------------------------------------------------------

IpPrefix IpPrefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) refuse(text, "no prefix: write ADDRESS/BITS");
    const IpAddress address = IpAddress::parse(text.substr(0, slash));
    const auto length = number_in(text.substr(slash + 1));
    if (!length) refuse(text, "what follows the slash is no number of bits");
    if (*length > bits_of(address)) {
        refuse(text, fmt::format("an address of this family has {} bits", bits_of(address)));
    }
    return {address, *length};
}

std::string IpPrefix::text() const {
    return fmt::format("{}/{}", address.text(), length);
}

IpPrefix IpPrefix::network() const {
    IpPrefix result = *this;
    for (std::size_t i = 0; i < result.address.size(); ++i) {
        result.address.bytes[i] &= mask_of_byte(i, length);
    }
    return result;
}

bool IpPrefix::contains(const IpAddress& candidate) const {
    return candidate.family == address.family && IpPrefix{candidate, length}.network() == network();
}

bool IpPrefix::overlaps(const IpPrefix& other) const {
    return IpPrefix{address, std::min(length, other.length)}.contains(other.address);
}

// ---- subnets --------------------------------------------------------------------------------

namespace {

struct Reserved {
    std::string_view prefix;
    std::string_view what;
};

// Networks that cannot be a bridge's. RFC 6890
constexpr std::array reserved_networks{
    Reserved{"0.0.0.0/8", "stands for no network in particular"},
    Reserved{"127.0.0.0/8", "is loopback: it never leaves a host"},
    Reserved{"169.254.0.0/16", "is link-local: hosts give themselves such addresses"},
    Reserved{"224.0.0.0/4", "is multicast: no host has such an address"},
    Reserved{"240.0.0.0/4", "is reserved: hosts do not take such addresses"},
    Reserved{"::/8", "stands for no network in particular, loopback, or IPv4"},
    Reserved{"fe80::/10", "is link-local: hosts give themselves such addresses"},
    Reserved{"ff00::/8", "is multicast: no host has such an address"},
};

void check_not_reserved(std::string_view text, const IpPrefix& prefix) {
    for (const auto& [network, what] : reserved_networks) {
        if (!prefix.overlaps(IpPrefix::parse(network))) continue;
        refuse(text, fmt::format("{} {}: take one from 10.0.0.0/8 or fd00::/8", network, what));
    }
}

void check_size(std::string_view text, const IpPrefix& prefix) {
    const bool v4 = prefix.address.family == AF_INET;
    const unsigned smallest = v4 ? 30 : 126;
    const unsigned largest = v4 ? 8 : 48;
    if (prefix.length > smallest) {
        refuse(text, fmt::format("no room for a container: /{} is the smallest", smallest));
    }
    if (prefix.length < largest) {
        refuse(text, fmt::format("more than anybody needs: /{} is the largest", largest));
    }
}

}  // namespace

Subnet Subnet::parse(std::string_view text) {
    const IpPrefix prefix = IpPrefix::parse(text);
    check_not_reserved(text, prefix.network());
    check_size(text, prefix);
    if (prefix != prefix.network()) {
        refuse(text,
               fmt::format("an address in a network: did you mean {}?", prefix.network().text()));
    }
    return Subnet{prefix};
}

IpAddress Subnet::host(std::uint64_t index) const {
    IpAddress address = prefix_.address;
    // From the last byte on, with what does not fit carried over.
    std::uint64_t carry = index;
    for (std::size_t i = address.size(); i-- > 0 && carry != 0;) {
        const std::uint64_t sum = address.bytes[i] + (carry & 0xff);
        address.bytes[i] = static_cast<std::uint8_t>(sum);
        carry = (carry >> 8) + (sum >> 8);
    }
    return address;
}

std::uint64_t Subnet::capacity() const {
    const unsigned host_bits = bits_of(prefix_.address) - prefix_.length;
    if (host_bits > 32) return std::uint64_t{1} << 32;
    const std::uint64_t not_for_containers = prefix_.address.family == AF_INET ? 3 : 2;
    return (std::uint64_t{1} << host_bits) - not_for_containers;
}

// ---- ports ----------------------------------------------------------------------------------

namespace {

constexpr std::string_view port_form = "write [HOSTIP:]HOSTPORT:CONTAINERPORT[/udp]";

// `8080:80/udp` without `/udp`, and which of the two it is.
Protocol take_protocol(std::string_view whole, std::string_view& rest) {
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos) return Protocol::Tcp;
    const std::string_view name = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    if (name == "tcp") return Protocol::Tcp;
    if (name == "udp") return Protocol::Udp;
    refuse(whole, fmt::format("protocol '{}' cannot be published: tcp and udp can", name));
}

// The last field, which is taken off `rest` with its colon; what is left may be empty.
std::string_view take_last(std::string_view& rest) {
    const auto colon = rest.rfind(':');
    const bool alone = colon == std::string_view::npos;
    const std::string_view field = alone ? rest : rest.substr(colon + 1);
    rest = alone ? std::string_view{} : rest.substr(0, colon);
    return field;
}

std::uint16_t port_in(std::string_view whole, std::string_view text, std::string_view whose) {
    if (text.empty()) {
        refuse(whole, fmt::format("the {} port is missing (none is picked at random): {}", whose,
                                  port_form));
    }
    if (text.find('-') != std::string_view::npos) {
        refuse(whole, "a range of ports: publish each by a -p of its own");
    }
    const auto port = number_in(text);
    if (!port) refuse(whole, fmt::format("the {} port '{}' is no number", whose, text));
    if (*port == 0 || *port > 65535) {
        refuse(whole, fmt::format("the {} port {} is not within 1 to 65535", whose, *port));
    }
    return static_cast<std::uint16_t>(*port);
}

// `[fd00::1]`: the brackets keep its colons apart from ours.
IpAddress bracketed_address(std::string_view whole, std::string_view text) {
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') {
        refuse(whole, fmt::format("an IPv6 address stands in brackets: {}", port_form));
    }
    const IpAddress address = IpAddress::parse(text.substr(1, text.size() - 2));
    if (address.family != AF_INET6) refuse(whole, "brackets are for IPv6 addresses");
    return address;
}

IpAddress address_in(std::string_view whole, std::string_view text) {
    if (text.find_first_of(":[]") != std::string_view::npos) return bracketed_address(whole, text);
    if (text.empty()) refuse(whole, fmt::format("the host address is empty: {}", port_form));
    try {
        return IpAddress::parse(text);
    } catch (const std::invalid_argument&) {
        refuse(whole, fmt::format("'{}' is no address, and names are not looked up", text));
    }
}

// Addresses on which nothing could arrive, or not be passed on.
void check_publishable(std::string_view whole, const IpAddress& address) {
    static const std::array multicast{IpPrefix::parse("224.0.0.0/4"), IpPrefix::parse("ff00::/8")};
    if (address.family == AF_INET6 && address.is_loopback()) {
        refuse(whole, "the kernel does not translate to or from ::1: use 127.0.0.1");
    }
    if (IpPrefix::parse("fe80::/10").contains(address)) {
        refuse(whole, "a link-local address says nothing without its device: use [::] or another");
    }
    if (std::any_of(multicast.begin(), multicast.end(),
                    [&](const IpPrefix& prefix) { return prefix.contains(address); })) {
        refuse(whole, "a multicast address belongs to no host");
    }
}

}  // namespace

std::string_view protocol_name(Protocol protocol) {
    return protocol == Protocol::Tcp ? "tcp" : "udp";
}

PortMapping PortMapping::parse(std::string_view text) {
    std::string_view rest = text;
    PortMapping mapping;
    mapping.protocol = take_protocol(text, rest);
    const std::string_view container = take_last(rest);
    const bool has_address = rest.find(':') != std::string_view::npos;
    const std::string_view host = rest.ends_with(']') ? std::string_view{} : take_last(rest);
    mapping.container_port = port_in(text, container, "container's");
    mapping.host_port = port_in(text, host, "host's");
    mapping.host_address = has_address ? address_in(text, rest) : IpAddress::parse("127.0.0.1");
    check_publishable(text, mapping.host_address);
    return mapping;
}

std::string PortMapping::text() const {
    const bool v6 = host_address.family == AF_INET6;
    return fmt::format("{}{}{}:{}:{}/{}", v6 ? "[" : "", host_address.text(), v6 ? "]" : "",
                       host_port, container_port, protocol_name(protocol));
}

}  // namespace tenon
