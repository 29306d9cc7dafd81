// A host with bridges and containers, and a machine outside, all in network namespaces of the
// test's own: packets judge what nftables was told. Made with the cables of 05.2.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network_view.hpp"
#include "tenon/nat.hpp"

namespace tenon::test {

// Where a connection came from, or why it did not come: "192.0.2.1", "refused", "blocked".
struct Reached {
    std::string from;
    [[nodiscard]] bool yes() const { return from != "refused" && from != "blocked"; }
};

class NatWorld {
  public:
    // A host 192.0.2.1 and 2001:db8::1 that forwards; 192.0.2.2 and 2001:db8::2 outside, which
    // knows the way to every container, and so reaches them unless somebody says no.
    NatWorld();

    // The bridge tenonN with 10.8N.0.1/16 and fd8N::1/64, and its network_commands.
    void add_bridge(int number);
    // 10.8N.0.M and fd8N::M on the bridge tenonN, with its publish_commands.
    const TestNetns& add_container(int bridge, int number, std::vector<PortMapping> ports = {});

    [[nodiscard]] const TestNetns& host() const { return host_; }
    [[nodiscard]] const TestNetns& outside() const { return outside_; }
    [[nodiscard]] static NatNetwork network(int number);
    [[nodiscard]] static NatEndpoint endpoint(int bridge, int number,
                                              std::vector<PortMapping> ports = {});
    void nft(const std::string& commands) const;
    [[nodiscard]] std::string ask(const std::string& command) const;

  private:
    TestNetns host_;
    TestNetns outside_;
    std::vector<std::unique_ptr<TestNetns>> containers_;
};

// A connection of @p from to `address`:`port`, where @p to serves `served` on all its addresses.
struct Call {
    const TestNetns& from;
    const TestNetns& to;
    std::string address;
    std::uint16_t port = 80;
    std::uint16_t served = 80;
    std::string on;       // the server's own address; empty: all
    int patience = 3000;  // milliseconds: a lost packet is sent again after one second
};
Reached call_tcp(const Call& call);
// The same where nothing is expected to come.
Reached try_tcp(Call call);
// One datagram there, and one back.
Reached call_udp(const Call& call);

// Somebody on the wire addresses the host's MAC with 127.0.0.1 in the packet. Both change the
// caller's namespace for that: it gives up its own 127.0.0.0/8.
Reached call_loopback_from_wire(const NatWorld& world, const TestNetns& container);
Reached call_loopback_of_host_from_outside(const NatWorld& world, const TestNetns& container);

// Whether @p frame, sent by eth0 of @p from, is seen at eth0 of @p to. @p harmless is sent after
// it, and is known to arrive: nobody has to wait for what does not.
bool arrives(const TestNetns& from, const TestNetns& to, const std::string& frame,
             const std::string& harmless);

// Frames, complete.
struct FrameAddresses {
    MacAddress from{};
    MacAddress to{};
};
std::string ip_frame(const FrameAddresses& macs, const std::string& from, const std::string& to);
std::string arp_frame(const FrameAddresses& macs, const MacAddress& claimed, const std::string& ip);
// The same frame behind a priority tag: IEEE 802.1Q, 9.6
std::string tagged(const std::string& frame);
// A neighbour advertisement: @p from says that it is @p target.
std::string advertisement(const FrameAddresses& macs, const std::string& from,
                          const std::string& target, std::uint8_t type = 136);

}  // namespace tenon::test
