// 05.4: what a container says about itself, frame by frame; and what is left of it afterwards.
#include <fmt/format.h>

#include "nat_world.hpp"
#include "sandbox.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

const MacAddress everybody{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

MacAddress mac(const char* address) {
    return mac_for(IpAddress::parse(address));
}

// A bridge with two containers. 10.87.0.2 sends, 10.87.0.3 sees what arrives.
struct Neighbours {
    NatWorld world;
    const TestNetns* speaker = nullptr;
    const TestNetns* hearer = nullptr;
    FrameAddresses honest{mac("10.87.0.2"), everybody};
    FrameAddresses forged{mac("10.87.0.4"), everybody};

    Neighbours() {
        world.add_bridge(7);
        speaker = &world.add_container(7, 2);
        hearer = &world.add_container(7, 3);
    }
    [[nodiscard]] bool hears(const std::string& what, const std::string& frame) const {
        const std::string harmless = ip_frame(honest, "10.87.0.2", "10.87.255.255");
        const bool heard = arrives(*speaker, *hearer, frame, harmless);
        step(fmt::format("{}: {}", what, heard ? "heard by the neighbour" : "not heard"));
        return heard;
    }
};

}  // namespace

TEST_CASE("a container sends from its own addresses only", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Neighbours both;
    const bool other_ip =
        both.hears("IP of 10.87.0.4", ip_frame(both.honest, "10.87.0.4", "10.87.0.3"));
    const bool gateways =
        both.hears("IP of the gateway", ip_frame(both.honest, "10.87.0.1", "10.87.0.3"));
    const bool other_mac = both.hears("IP of its own, MAC of 10.87.0.4",
                                      ip_frame(both.forged, "10.87.0.2", "10.87.0.3"));
    fact("forged_ip_heard", other_ip);
    TENON_EXPECT(!other_ip && !gateways, "not heard", "heard");
    TENON_EXPECT(!other_mac, "not heard", "heard");
}

TEST_CASE("a container answers ARP for its own address only", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Neighbours both;
    const MacAddress own = both.honest.from;
    const bool honest =
        both.hears("ARP: 10.87.0.2 is me", arp_frame(both.honest, own, "10.87.0.2"));
    const bool forged =
        both.hears("ARP: the gateway is me", arp_frame(both.honest, own, "10.87.0.1"));
    const bool blamed = both.hears("ARP: 10.87.0.2 is somebody else",
                                   arp_frame(both.honest, mac("10.87.0.4"), "10.87.0.2"));
    fact("forged_arp_heard", forged);
    TENON_EXPECT(honest, "its own answer is heard", "not heard");
    TENON_EXPECT(!forged, "not heard", "heard: it gets what is meant for the gateway");
    TENON_EXPECT(!blamed, "not heard", "heard");
}

TEST_CASE("a container advertises its own IPv6 addresses, and no router", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Neighbours both;
    const bool honest =
        both.hears("fd87::2 is me", advertisement(both.honest, "fd87::2", "fd87::2"));
    const bool forged =
        both.hears("the gateway is me", advertisement(both.honest, "fd87::2", "fd87::1"));
    const bool router = both.hears(
        "I am a router", advertisement(both.honest, "fe80::42:aff:fe57:2", "fd87::2", 134));
    fact("forged_advertisement_heard", forged);
    fact("router_heard", router);
    TENON_EXPECT(honest, "its own advertisement is heard", "not heard");
    TENON_EXPECT(!forged, "not heard", "heard: it gets what is meant for the gateway");
    TENON_EXPECT(!router, "not heard", "heard: it becomes everybody's gateway");
}

TEST_CASE("a tag before a frame hides nothing of it", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Neighbours both;
    const bool gateway = both.hears("tagged: the gateway is me",
                                    tagged(advertisement(both.honest, "fd87::2", "fd87::1")));
    const bool router =
        both.hears("tagged: I am a router",
                   tagged(advertisement(both.honest, "fe80::42:aff:fe57:2", "fd87::2", 134)));
    const bool forged = both.hears("tagged: IP of 10.87.0.4",
                                   tagged(ip_frame(both.honest, "10.87.0.4", "10.87.0.3")));
    fact("tagged_heard", gateway || router || forged);
    TENON_EXPECT(!gateway, "not heard", "heard: it gets what is meant for the gateway");
    TENON_EXPECT(!router, "not heard", "heard: it becomes everybody's gateway");
    TENON_EXPECT(!forged, "not heard", "heard");
}

TEST_CASE("nobody but the host speaks to its 127.0.0.1", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2);
    // An address of the loopback network that the container does not have itself.
    const Reached reached = call_loopback_from_wire(world, container);
    step("127.0.0.1:631 of the host, from a container: " + reached.from);
    fact("loopback_open", reached.yes());
    TENON_EXPECT(!reached.yes(), "blocked (CVE-2020-8558)", "reached from " + reached.from);
}

TEST_CASE("a neighbour of the host does not reach what is published on 127.0.0.1",
          "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const TestNetns& container = world.add_container(7, 2, {PortMapping::parse("8080:80")});
    const Reached reached = call_loopback_of_host_from_outside(world, container);
    step("127.0.0.1:8080 of the host, from outside: " + reached.from);
    fact("loopback_published_to_wire", reached.yes());
    TENON_EXPECT(!reached.yes(), "blocked", "reached from " + reached.from);
}

TEST_CASE("withdraw_commands leave nothing of a container", "[05.4][uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    NatWorld world;
    world.add_bridge(7);
    const std::string before = world.ask("list ruleset");
    const NatEndpoint endpoint = NatWorld::endpoint(
        7, 2, {PortMapping::parse("8080:80"), PortMapping::parse("[::]:8080:80/udp")});
    world.nft(publish_commands(endpoint));
    TENON_EXPECT(world.ask("list ruleset") != before, "something was published", "nothing");
    world.nft(withdraw_commands(endpoint));
    const std::string after = world.ask("list ruleset");
    fact("elements_left", after != before);
    TENON_EXPECT(after == before, "the tables as before", after);
}

TEST_CASE("withdraw_commands may be repeated, and come before anything was made", "[05.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns host;
    const NatEndpoint endpoint = NatWorld::endpoint(7, 2, {PortMapping::parse("8080:80")});
    std::string refused;
    try {
        host.run([&] {
            for (int i = 0; i < 2; ++i) Nftables{}.run(withdraw_commands(endpoint));
        });
    } catch (const std::runtime_error& error) {
        refused = error.what();
    }
    fact("missing_is_an_error", refused.find("No such file") != std::string::npos);
    TENON_EXPECT(refused.empty(), "done twice, with nothing there", refused);
}

TEST_CASE("network_commands may be repeated, and keep what is there", "[05.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns host;
    host.run([] {
        const Nftables nftables;
        const std::string commands = network_commands(NatWorld::network(7));
        nftables.run(commands +
                     publish_commands(NatWorld::endpoint(7, 2, {PortMapping::parse("8080:80")})));
        const std::string before = nftables.ask("list ruleset");
        nftables.run(commands);
        const std::string after = nftables.ask("list ruleset");
        TENON_EXPECT(after == before, before, after);
    });
}

TEST_CASE("other tables stay as they are, and the last network takes ours away", "[05.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns host;
    host.run([] {
        const Nftables nftables;
        nftables.run(
            "table inet firewall { set tenon { type ifname; elements = { \"eth0\" }\n }\n"
            "chain input { type filter hook input priority 0; tcp dport 22 accept; }\n}\n");
        const std::string before = nftables.ask("list ruleset");
        for (int number : {7, 8}) nftables.run(network_commands(NatWorld::network(number)));
        const std::string theirs = nftables.ask("list table inet firewall");
        TENON_EXPECT(before == theirs, before, theirs);
        nftables.run(remove_network_commands(NatWorld::network(7), false));
        const std::string left = nftables.ask("list table inet tenon");
        TENON_EXPECT(left.find("10.87.") == std::string::npos, "nothing of the first", left);
        TENON_EXPECT(left.find("10.88.0.0/16") != std::string::npos, "all of the second", left);
        nftables.run(remove_network_commands(NatWorld::network(8), true));
        const std::string after = nftables.ask("list ruleset");
        TENON_EXPECT(after == before, before, after);
    });
}

TEST_CASE("what nftables refuses is said in its words, and nothing of it is done") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns host;
    const auto refusal = [&](const std::string& commands) {
        try {
            host.run([&] { Nftables{}.run(commands); });
        } catch (const std::runtime_error& error) {
            return std::string{error.what()};
        }
        return std::string{"accepted"};
    };
    const std::string one = refusal("add rule inet none input drop\n");
    TENON_EXPECT(one.starts_with("nftables: add rule inet none input drop: ") &&
                     one.ends_with("No such file or directory"),
                 "the command, and why", one);
    const std::string second = refusal("add table inet one\nadd rule inet none input drop\n");
    TENON_EXPECT(second.ends_with("No such file or directory"), "why", second);
    const std::string left = host.run([] { return Nftables{}.ask("list ruleset"); });
    TENON_EXPECT(left.empty(), "no table", left);
}

}  // namespace tenon::test
