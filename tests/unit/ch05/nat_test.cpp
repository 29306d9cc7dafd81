// 05.4: what nftables is told, judged by packets.
#include <fmt/format.h>

#include "nat_world.hpp"
#include "sandbox.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

std::vector<PortMapping> ports(std::initializer_list<const char*> texts) {
    std::vector<PortMapping> mappings;
    for (const char* text : texts) mappings.push_back(PortMapping::parse(text));
    return mappings;
}

// Notes who was reached, and how it looked from there.
Reached told(const std::string& what, const Reached& reached) {
    step(fmt::format("{}: {}{}", what, reached.yes() ? "reached, from " : "", reached.from));
    return reached;
}

}  // namespace

TEST_CASE("what leaves a subnet comes from the host's address", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2);
    const Reached v4 = told("192.0.2.2", call_tcp({container, world.outside(), "192.0.2.2"}));
    const Reached v6 = told("2001:db8::2", call_tcp({container, world.outside(), "2001:db8::2"}));
    fact("own_address_outside", v4.from == "10.87.0.2");
    TENON_EXPECT(v4.from == "192.0.2.1", "a connection from 192.0.2.1", v4.from);
    TENON_EXPECT(v6.from == "2001:db8::1", "a connection from 2001:db8::1", v6.from);
}

TEST_CASE("a port published on 127.0.0.1 is the host's own", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2, ports({"8080:80"}));
    const Reached own =
        told("127.0.0.1:8080 on the host", call_tcp({world.host(), container, "127.0.0.1", 8080}));
    const Reached outside = told("192.0.2.1:8080 from outside",
                                 try_tcp({world.outside(), container, "192.0.2.1", 8080}));
    fact("loopback_blocked", own.from == "blocked");
    fact("loopback_for_all", outside.yes());
    TENON_EXPECT(own.from == "10.87.0.1", "reached on the host, from the bridge's address",
                 own.from);
    TENON_EXPECT(!outside.yes(), "not reached from outside", outside.from);
}

TEST_CASE("a port published on 0.0.0.0 is everybody's", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container =
        world.add_container(7, 2, ports({"0.0.0.0:8080:80", "[::]:8080:80"}));
    const Reached own =
        told("127.0.0.1:8080 on the host", call_tcp({world.host(), container, "127.0.0.1", 8080}));
    const Reached outside = told("192.0.2.1:8080 from outside",
                                 call_tcp({world.outside(), container, "192.0.2.1", 8080}));
    const Reached v6 = told("[2001:db8::1]:8080 from outside",
                            call_tcp({world.outside(), container, "2001:db8::1", 8080}));
    TENON_EXPECT(own.yes(), "reached on the host", own.from);
    TENON_EXPECT(outside.from == "192.0.2.2", "reached from outside, by its own address",
                 outside.from);
    TENON_EXPECT(v6.from == "2001:db8::2", "reached from outside by IPv6", v6.from);
}

TEST_CASE("a published port takes nothing that goes elsewhere", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    world.add_container(7, 2, ports({"0.0.0.0:8080:80"}));
    const TestNetns& other = world.add_container(7, 3);
    const Reached reached = told("192.0.2.2:8080, outside, from a container",
                                 call_tcp({other, world.outside(), "192.0.2.2", 8080, 8080}));
    fact("taken_on_its_way", !reached.yes());
    TENON_EXPECT(reached.yes(), "192.0.2.2:8080 is the machine outside", reached.from);
}

TEST_CASE("a published UDP port is UDP's", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2, ports({"0.0.0.0:5353:53/udp"}));
    const Reached udp =
        told("UDP from outside", call_udp({world.outside(), container, "192.0.2.1", 5353, 53}));
    const Reached own =
        told("UDP on the host", call_udp({world.host(), container, "127.0.0.1", 5353, 53}));
    const Reached tcp =
        told("TCP from outside", try_tcp({world.outside(), container, "192.0.2.1", 5353, 53}));
    TENON_EXPECT(udp.yes() && own.yes(), "reached by UDP", udp.from + ", " + own.from);
    TENON_EXPECT(!tcp.yes(), "not reached by TCP", tcp.from);
}

TEST_CASE("containers reach published ports, their own too", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2, ports({"0.0.0.0:8080:80"}));
    const TestNetns& neighbour = world.add_container(7, 3);
    const Reached reached = told("192.0.2.1:8080 from a neighbour",
                                 call_tcp({neighbour, container, "192.0.2.1", 8080}));
    fact("hairpin_not_masqueraded", reached.from != "10.87.0.1");
    TENON_EXPECT(reached.from == "10.87.0.1", "reached, from the bridge's address", reached.from);
}

TEST_CASE("a container is not reached from outside past its published ports", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2, ports({"0.0.0.0:8080:80"}));
    const Reached v4 =
        told("10.87.0.2:80 from outside", try_tcp({world.outside(), container, "10.87.0.2"}));
    const Reached v6 =
        told("[fd87::2]:80 from outside", try_tcp({world.outside(), container, "fd87::2"}));
    fact("outside_gets_in", v4.yes());
    TENON_EXPECT(!v4.yes(), "blocked", "reached from " + v4.from);
    TENON_EXPECT(!v6.yes(), "blocked", "reached from " + v6.from);
}

TEST_CASE("bridges do not reach each other, neighbours do", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    world.add_bridge(8);
    const TestNetns& one = world.add_container(7, 2);
    const TestNetns& neighbour = world.add_container(7, 3);
    const TestNetns& stranger = world.add_container(8, 2);
    const Reached near = told("a neighbour", call_tcp({neighbour, one, "10.87.0.2"}));
    const Reached far = told("from the other bridge", try_tcp({stranger, one, "10.87.0.2"}));
    const Reached far6 = told("by IPv6", try_tcp({stranger, one, "fd87::2"}));
    fact("other_bridge_gets_in", far.yes());
    TENON_EXPECT(near.from == "10.87.0.3", "the neighbour gets in as itself", near.from);
    TENON_EXPECT(!far.yes() && !far6.yes(), "the stranger does not", far.from + ", " + far6.from);
}

TEST_CASE("a container does not reach the host's own servers", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2);
    const Reached gateway = told("10.87.0.1:22 from a container",
                                 try_tcp({container, world.host(), "10.87.0.1", 22, 22}));
    const Reached other = told("192.0.2.1:22 from a container",
                               try_tcp({container, world.host(), "192.0.2.1", 22, 22}));
    fact("host_open", gateway.yes() || other.yes());
    TENON_EXPECT(!gateway.yes() && !other.yes(), "blocked", gateway.from + ", " + other.from);
}

}  // namespace tenon::test
