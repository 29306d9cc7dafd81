// What happens to a packet, in nft(8)'s language. Rules are few and stay as they are; a network or
// a container is an element in each set that they ask. Whoever has no element is not ours.
// A packet's way: the bridge's guard, raw (before connection tracking), prerouting (a destination
// may change), input or forward, postrouting (a source may). The host's own begins at output.
#include "tenon/nat.hpp"

#include <fmt/format.h>

#include <vector>

#include "nat_tables.hpp"

namespace tenon {

namespace {

// Published ports. The chain is asked from prerouting (outside, containers) and output (the host).
[[maybe_unused]] std::string publish_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view chain, std::string_view rule) {
        text += rule_command(inet_table, chain, rule);
    };
    // BEGIN SOLUTION 05.4
    add("publish", "dnat ip to ip daddr . meta l4proto . th dport map @at4");
    add("publish", "dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6");
    add("publish", "fib daddr type local dnat ip to meta l4proto . th dport map @any4");
    add("publish", "fib daddr type local dnat ip6 to meta l4proto . th dport map @any6");
    // A neighbour on the wire can send us that, and translated it would be no martian any more.
    add("prerouting", "ip daddr 127.0.0.0/8 accept");
    add("prerouting", "meta l4proto { tcp, udp } jump publish");
    // An answer to ::1 would be thrown away: IPv6 has no route_localnet.
    add("output", "ip6 daddr ::1 accept");
    add("output", "meta l4proto { tcp, udp } jump publish");
    // END SOLUTION
    return text;
}

// Sources that nobody out there, or nobody at all, could answer to.
[[maybe_unused]] std::string masquerade_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view rule) {
        text += rule_command(inet_table, "postrouting", rule);
    };
    // BEGIN SOLUTION 05.4
    add("ip saddr @subnets4 oifname != @bridges masquerade");
    add("ip6 saddr @subnets6 oifname != @bridges masquerade");
    // Hairpin: else the answer goes to its neighbour directly, from an address that it never asked.
    add("ct status dnat ip saddr . ip daddr @within4 masquerade");
    add("ct status dnat ip6 saddr . ip6 daddr @within6 masquerade");
    add("oifname @bridges ip saddr 127.0.0.0/8 masquerade");
    // END SOLUTION
    return text;
}

// Who may speak first.
[[maybe_unused]] std::string isolation_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view chain, std::string_view rule) {
        text += rule_command(inet_table, chain, rule);
    };
    // BEGIN SOLUTION 05.4
    // route_localnet opens that to whoever is on the bridge: CVE-2020-8558. Before connection
    // tracking, because there an answer still goes to the bridge's address.
    add("raw", "iifname @bridges ip daddr 127.0.0.0/8 drop");
    add("input", "iifname != @bridges accept");
    add("input", "ct state { established, related } accept");
    add("input", "meta l4proto { icmp, ipv6-icmp } accept");
    add("input", "drop");
    add("forward", "iifname != @bridges oifname != @bridges accept");
    add("forward", "iifname . oifname @inside accept");
    add("forward", "ct state { established, related } accept");
    add("forward", "ct state invalid drop");  // nothing would translate its source
    add("forward", "ct status dnat accept");
    add("forward", "oifname @bridges drop");
    // END SOLUTION
    return text;
}

// Each port of a bridge: its own addresses only, in every protocol that says one.
[[maybe_unused]] std::string guard_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view rule) {
        text += rule_command(bridge_table, "guard", rule);
    };
    // BEGIN SOLUTION 05.4
    add("iifname != @ports accept");
    add("ether type != { ip, arp, ip6 } drop");  // a tag would hide from icmpv6 what is behind it
    add("iifname . ether saddr != @own_mac drop");
    add("iifname . ether saddr . ip saddr @own4 accept");
    add("arp htype 1 iifname . arp saddr ether . arp saddr ip @own4 accept");
    // A router would be believed by all neighbours and by the host: CVE-2020-13401.
    add("icmpv6 type { nd-router-advert, nd-redirect } drop");
    add("icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @advertised drop");
    add("iifname . ether saddr . ip6 saddr @own6 accept");
    add("drop");
    // END SOLUTION
    return text;
}

[[maybe_unused]] std::vector<NatElement> elements_of(const NatNetwork& network) {
    std::vector<NatElement> elements;
    // BEGIN SOLUTION 05.4
    const std::string bridge = quoted(network.bridge);
    elements.push_back({inet_table, "bridges", bridge, ""});
    elements.push_back({inet_table, "inside", bridge + " . " + bridge, ""});
    for (const IpPrefix& subnet : network.subnets) {
        const std::string text = subnet.network().text();
        const std::string both = fmt::format("{0} . {0}", text);
        elements.push_back({inet_table, for_family("subnets", subnet.address.family), text, ""});
        elements.push_back({inet_table, for_family("within", subnet.address.family), both, ""});
    }
    // END SOLUTION
    return elements;
}

// `tcp . 8080 : 10.87.0.2 . 80`, with the host's address before it where one was said.
[[maybe_unused]] NatElement published(const PortMapping& port, const IpAddress& container) {
    // BEGIN SOLUTION 05.4
    const int family = container.family;
    const std::string key = fmt::format("{} . {}", protocol_name(port.protocol), port.host_port);
    const std::string value = fmt::format("{} . {}", container.text(), port.container_port);
    if (port.host_address.is_any()) return {inet_table, for_family("any", family), key, value};
    return {inet_table, for_family("at", family), port.host_address.text() + " . " + key, value};
    // END SOLUTION
}

// What the guard lets pass for one of its addresses.
[[maybe_unused]] std::vector<NatElement> guarded(const NatEndpoint& endpoint,
                                                 const IpAddress& address) {
    // BEGIN SOLUTION 05.4
    const std::string who = quoted(endpoint.veth) + " . " + mac_text(endpoint.mac) + " . ";
    if (address.family == AF_INET) return {{bridge_table, "own4", who + address.text(), ""}};
    return {{bridge_table, "own6", who + address.text(), ""},
            {bridge_table, "advertised", who + as_number(address), ""}};
    // END SOLUTION
}

[[maybe_unused]] std::vector<NatElement> elements_of(const NatEndpoint& endpoint) {
    std::vector<NatElement> elements;
    // BEGIN SOLUTION 05.4
    const std::string veth = quoted(endpoint.veth);
    elements.push_back({bridge_table, "ports", veth, ""});
    elements.push_back({bridge_table, "own_mac", veth + " . " + mac_text(endpoint.mac), ""});
    std::vector<IpAddress> speaks_as = endpoint.addresses;
    for (const IpAddress& address : endpoint.addresses) {
        // Whoever speaks IPv6 asks for its neighbours by this one.
        if (address.family == AF_INET6) speaks_as.push_back(link_local_address(endpoint.mac));
        for (const PortMapping& port : endpoint.ports) {
            if (port.host_address.family != address.family) continue;
            elements.push_back(published(port, address));
        }
    }
    for (const IpAddress& address : speaks_as) {
        for (NatElement& element : guarded(endpoint, address)) elements.push_back(element);
    }
    // END SOLUTION
    return elements;
}

template <typename Owner>
[[maybe_unused]] std::string add_all(const Owner& owner) {
    std::string text;
    for (const NatElement& element : elements_of(owner)) text += add_command(element);
    return text;
}

// Nobody knows how far a killed process came. Deleting what is not there fails the transaction.
template <typename Owner>
[[maybe_unused]] std::string delete_all(const Owner& owner) {
    std::string text;
    // BEGIN SOLUTION 05.4
    // Adding what is there does not fail: so each is there when it is deleted.
    for (const NatElement& element : elements_of(owner)) {
        text += add_command(element) + delete_command(element);
    }
    // END SOLUTION
    return text;
}

}  // namespace

std::string network_commands(const NatNetwork& network) {
    return table_declarations() + flush_commands() + publish_rules() + masquerade_rules() +
           isolation_rules() + guard_rules() + add_all(network);
}

std::string publish_commands(const NatEndpoint& endpoint) {
    return add_all(endpoint);
}

std::string withdraw_commands(const NatEndpoint& endpoint) {
    return table_declarations() + delete_all(endpoint);
}

std::string remove_network_commands(const NatNetwork& network, bool last) {
    if (last) return delete_tables_commands();
    return table_declarations() + delete_all(network);
}

}  // namespace tenon
