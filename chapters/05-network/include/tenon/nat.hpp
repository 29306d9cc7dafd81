/// @file
/// Chapter 05: what happens to packets: translation and isolation, by nftables.
///
/// Commands are text in nft(8)'s own language and made by pure functions, so that a test can read
/// them; Nftables carries a text out as one transaction: all of it or nothing. Everything is in
/// tables called `tenon`, one per family that it needs: `inet` (addresses and ports) and `bridge`
/// (what passes between two containers without being routed). Other tables are never read or
/// written. Packets are decided by sets and maps, so a container is an element in each and not a
/// rule: the hundredth costs a packet as much as the first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenon/ip_address.hpp"
#include "tenon/links.hpp"

namespace tenon {

/// What is the same for all containers of a bridge.
struct NatNetwork {
    std::string bridge;
    std::vector<IpPrefix> subnets;
};

/// What a container adds.
struct NatEndpoint {
    std::string bridge;
    std::string veth;  ///< the host's end
    MacAddress mac{};
    std::vector<IpAddress> addresses;
    std::vector<PortMapping> ports;
};

/// Exercise 05.4. The commands that make the tables, and @p network in them; nothing changes where
/// they are there already.
///   - what leaves a subnet for elsewhere is masqueraded; a published port reached from the host's
///   own
///     loopback and by the container itself (hairpin), too
///   - a container is reached from outside by published ports only, and by answers
///   - bridges do not reach each other
///   - the host is reached by answers, ICMP and published ports only, and 127.0.0.0/8 never
///   - a container speaks by its own MAC and IP addresses only (ARP and neighbour discovery as
///   well)
std::string network_commands(const NatNetwork& network);
/// Exercise 05.4. The commands for one container: its elements, in one transaction.
std::string publish_commands(const NatEndpoint& endpoint);
/// Exercise 05.4. And those that take them away again.
std::string withdraw_commands(const NatEndpoint& endpoint);
/// The commands that take @p network away; with @p last the tables as well.
std::string remove_network_commands(const NatNetwork& network, bool last);

/// nftables in the caller's network namespace, through libnftables.
class Nftables {
  public:
    Nftables();
    ~Nftables();
    Nftables(const Nftables&) = delete;
    Nftables& operator=(const Nftables&) = delete;

    /// One transaction. @throws std::runtime_error  `nftables: ` and the library's own words
    void run(const std::string& commands) const;
    /// The answer to a query, as nft(8) prints it.
    [[nodiscard]] std::string ask(const std::string& command) const;

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

}  // namespace tenon
