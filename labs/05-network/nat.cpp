// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// What happens to a packet, in nft(8)'s language. Rules are few and stay as they are; a network or
// a container is an element in each set that they ask. Whoever has no element is not ours.
// A packet's way: the bridge's guard, raw (before connection tracking), prerouting (a destination
// may change), input or forward, postrouting (a source may). The host's own begins at output.
#include "tenon/nat.hpp"
#include "tenon/todo.hpp"

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
    // TASK 05.4  what happens to a packet  (30 points)
    // man: nft(8)
    // hint: nat_tables.cpp has the sets, the maps and the chains, each at its hook; what is
    //   missing are the rules that ask them, and the elements. Which chain sees a packet before it
    //   is routed, which one after? Which of its addresses must change where?
    // more: ./course hint 05.4
    TENON_TODO("05.4");
    return text;
}

// Sources that nobody out there, or nobody at all, could answer to.
[[maybe_unused]] std::string masquerade_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view rule) {
        text += rule_command(inet_table, "postrouting", rule);
    };
    // TASK 05.4, continued
    TENON_TODO("05.4");
    return text;
}

// Who may speak first.
[[maybe_unused]] std::string isolation_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view chain, std::string_view rule) {
        text += rule_command(inet_table, chain, rule);
    };
    // TASK 05.4, continued
    TENON_TODO("05.4");
    return text;
}

// Each port of a bridge: its own addresses only, in every protocol that says one.
[[maybe_unused]] std::string guard_rules() {
    std::string text;
    [[maybe_unused]] const auto add = [&](std::string_view rule) {
        text += rule_command(bridge_table, "guard", rule);
    };
    // TASK 05.4, continued
    TENON_TODO("05.4");
    return text;
}

[[maybe_unused]] std::vector<NatElement> elements_of(const NatNetwork& network) {
    std::vector<NatElement> elements;
    // TASK 05.4, continued
    TENON_TODO("05.4");
    return elements;
}

// `tcp . 8080 : 10.87.0.2 . 80`, with the host's address before it where one was said.
[[maybe_unused]] NatElement published(const PortMapping& port, const IpAddress& container) {
    // TASK 05.4, continued
    TENON_TODO("05.4");
}

// What the guard lets pass for one of its addresses.
[[maybe_unused]] std::vector<NatElement> guarded(const NatEndpoint& endpoint,
                                                 const IpAddress& address) {
    // TASK 05.4, continued
    TENON_TODO("05.4");
}

[[maybe_unused]] std::vector<NatElement> elements_of(const NatEndpoint& endpoint) {
    std::vector<NatElement> elements;
    // TASK 05.4, continued
    TENON_TODO("05.4");
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
    // TASK 05.4, continued
    TENON_TODO("05.4");
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
