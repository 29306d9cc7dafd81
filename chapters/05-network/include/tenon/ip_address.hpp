/// @file
/// Chapter 05: addresses as data. No system calls.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon {

/// An IPv4 or IPv6 address.
struct IpAddress {
    int family = AF_INET;                  ///< AF_INET or AF_INET6
    std::array<std::uint8_t, 16> bytes{};  ///< network order; of IPv4 the first four, the rest zero

    /// @throws std::invalid_argument  neither form. @see \man{inet_pton,3}
    static IpAddress parse(std::string_view text);
    static IpAddress any(int family) { return {family, {}}; }
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::size_t size() const { return family == AF_INET ? 4 : 16; }
    [[nodiscard]] bool is_any() const { return bytes == std::array<std::uint8_t, 16>{}; }
    [[nodiscard]] bool is_loopback() const;
    auto operator<=>(const IpAddress&) const = default;
};

/// An address and how many of its bits name the network: `10.87.0.1/24`.
struct IpPrefix {
    IpAddress address;
    unsigned length = 0;  ///< bits

    /// @throws std::invalid_argument  no such form; more bits than the family has
    static IpPrefix parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool contains(const IpAddress& candidate) const;
    [[nodiscard]] bool overlaps(const IpPrefix& other) const;
    /// The same with all other bits zero: 10.87.0.0/24.
    [[nodiscard]] IpPrefix network() const;
    auto operator<=>(const IpPrefix&) const = default;
};

/// A network from which containers get addresses. The first host address is the bridge's own.
class Subnet {
  public:
    /// @throws std::invalid_argument  malformed; bits set beyond the prefix (says which network was
    ///         meant); too small (IPv4 /31, IPv6 /127 and longer have no room for a container);
    ///         larger than /8 (IPv4) or /48 (IPv6); multicast, loopback, link-local or unspecified
    static Subnet parse(std::string_view text);

    [[nodiscard]] const IpPrefix& prefix() const { return prefix_; }
    [[nodiscard]] IpAddress gateway() const { return host(1); }
    /// The @p index-th address, 0 being the network's own. @pre it is in the network
    [[nodiscard]] IpAddress host(std::uint64_t index) const;
    /// How many addresses containers can have: without network, gateway and (IPv4) broadcast.
    /// Of a large IPv6 network 2^32.
    [[nodiscard]] std::uint64_t capacity() const;

  private:
    explicit Subnet(IpPrefix prefix) : prefix_(prefix) {}
    IpPrefix prefix_;
};

/// The two protocols that have ports to publish.
enum class Protocol { Tcp, Udp };
std::string_view protocol_name(Protocol protocol);  ///< tcp, udp

/// `-p [hostip:]hostport:containerport[/udp]`
struct PortMapping {
    IpAddress host_address;  ///< 127.0.0.1 unless said otherwise; 0.0.0.0 and [::]: every address
    std::uint16_t host_port = 0;
    std::uint16_t container_port = 0;
    Protocol protocol = Protocol::Tcp;

    /// @throws std::invalid_argument  malformed; port 0 or above 65535; a host name; `[::1]`, which
    ///         the kernel does not translate: says what to use
    static PortMapping parse(std::string_view text);
    [[nodiscard]] std::string text() const;  ///< 127.0.0.1:8080:80/tcp
    auto operator<=>(const PortMapping&) const = default;
};

}  // namespace tenon
