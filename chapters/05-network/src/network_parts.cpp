// Made in this order: bridge, addresses, cable, rules; nobody speaks before the last of them.
// Removed so that nobody speaks after the first: cable, rules, addresses, bridge. Each part whether
// it is there or not: nobody knows how far a killed process came.
#include "network_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "bridge_port.hpp"
#include "conntrack.hpp"
#include "host_switches.hpp"
#include "network_files.hpp"
#include "tenon/address_pool.hpp"
#include "tenon/error.hpp"
#include "tenon/hints.hpp"
#include "tenon/trace.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

namespace {

int make_bridge(const NetworkSpec& network, const Netlink& host) {
    BridgeSpec bridge{network.bridge, {}, network.mtu};
    for (const Subnet& subnet : subnets_of(network)) {
        bridge.gateways.push_back({subnet.gateway(), subnet.prefix().length});
    }
    const int index = ensure_bridge(host, bridge);
    prepare_bridge_switches(network.bridge);
    return index;
}

std::vector<IpPrefix> lease_addresses(FdRef state, const EndpointRecord& record,
                                      const EndpointSpec& endpoint) {
    std::vector<IpPrefix> addresses;
    for (const Subnet& subnet : record.subnets) {
        const bool v4 = subnet.prefix().address.family == AF_INET;
        const IpAddress address =
            AddressPool{state, subnet}.lease(record.id, v4 ? endpoint.address : endpoint.address6);
        addresses.push_back({address, subnet.prefix().length});
    }
    return addresses;
}

std::vector<IpAddress> without_length(const std::vector<IpPrefix>& prefixes) {
    std::vector<IpAddress> addresses;
    addresses.reserve(prefixes.size());
    for (const IpPrefix& prefix : prefixes) addresses.push_back(prefix.address);
    return addresses;
}

NatNetwork nat_network(const EndpointRecord& record) {
    NatNetwork network{record.bridge, {}};
    for (const Subnet& subnet : record.subnets) network.subnets.push_back(subnet.prefix());
    return network;
}

// @pre not empty; IPv4's first: the MAC is made of it
NatEndpoint nat_endpoint(const EndpointRecord& record, const std::vector<IpAddress>& addresses) {
    return {record.bridge, record.veth, mac_for(addresses.front()), addresses, record.ports};
}

void plug_in(const Netlink& host, int bridge, const VethSpec& cable, const EndpointAddresses& where,
             FdRef netns) {
    make_veth(host, netns, cable, bridge);
    configure_port(host, cable.host_name);
    configure_endpoint(Netlink::open_in(netns), cable.container_name, where);
    wait_until_forwarding(host, cable.host_name);
}

// What the pools know of @p record: nothing, when it was not written yet.
std::vector<IpAddress> leased(FdRef state, const EndpointRecord& record) {
    std::vector<IpAddress> addresses;
    for (const Subnet& subnet : record.subnets) {
        for (const Lease& lease : AddressPool{state, subnet}.leases()) {
            if (lease.owner == record.id) addresses.push_back(lease.address);
        }
    }
    return addresses;
}

void withdraw(FdRef state, const EndpointRecord& record) {
    const trace::Step step{5, "withdraw its rules", "one transaction, as they were made"};
    const std::vector<IpAddress> addresses = leased(state, record);
    if (addresses.empty()) return;  // rules come after the leases
    Nftables{}.run(withdraw_commands(nat_endpoint(record, addresses)));
}

void unplug(const EndpointRecord& record) {
    const trace::Step step{5, "remove its cable", "both ends go with one"};
    delete_link(Netlink::open(), record.veth);
}

void release_addresses(FdRef state, const EndpointRecord& record) {
    for (const Subnet& subnet : record.subnets) AddressPool{state, subnet}.release(record.id);
}

void remove_network(FdRef state, const EndpointRecord& record, bool last) {
    const trace::Step step{5, "remove the bridge", "its last container has gone"};
    Nftables{}.run(remove_network_commands(nat_network(record), last));
    delete_link(Netlink::open(), record.bridge);
    for (const Subnet& subnet : record.subnets) AddressPool{state, subnet}.remove();
    remove_file(state, network_file_name(record.bridge));
}

// Runs one step, and puts its failure into words beside the others.
void attempt(std::vector<std::string>& failures, const std::function<void()>& step) {
    try {
        step();
    } catch (const SysError& error) {
        failures.push_back(with_advice(error));
    } catch (const std::exception& error) {
        failures.emplace_back(error.what());
    }
}

struct Others {
    bool on_bridge = false;
    bool anywhere = false;
};

Others others_than(const EndpointRecords& records, const EndpointRecord& ours) {
    Others others;
    for (const EndpointRecord& record : records.all()) {
        if (record.id == ours.id) continue;
        others.anywhere = true;
        others.on_bridge = others.on_bridge || record.bridge == ours.bridge;
    }
    return others;
}

}  // namespace

std::vector<Subnet> subnets_of(const NetworkSpec& network) {
    std::vector<Subnet> subnets{network.subnet};
    if (network.subnet6) subnets.push_back(*network.subnet6);
    return subnets;
}

std::vector<IpPrefix> set_up(FdRef state, const NetworkSpec& network, const EndpointSpec& endpoint,
                             const EndpointRecord& record, FdRef netns) {
    replace_file(state, network_file_name(network.bridge), network_text(network));
    allow_forwarding(state, network.subnet6.has_value());
    const Netlink host = Netlink::open();
    const int bridge = make_bridge(network, host);
    std::vector<IpPrefix> addresses = lease_addresses(state, record, endpoint);
    const NatEndpoint nat = nat_endpoint(record, without_length(addresses));
    EndpointAddresses where{addresses, {}};
    for (const Subnet& subnet : record.subnets) where.gateways.push_back(subnet.gateway());
    const VethSpec cable{
        .host_name = record.veth, .container_name = "eth0", .mtu = network.mtu, .mac = nat.mac};
    plug_in(host, bridge, cable, where, netns);
    const trace::Step step{5, "publish and protect", "one transaction: all its rules or none"};
    Nftables{}.run(network_commands(nat_network(record)) + publish_commands(nat));
    return addresses;
}

std::vector<std::string> tear_down(FdRef state, const EndpointRecords& records,
                                   const EndpointRecord& record) {
    std::vector<std::string> failures;
    // The cable first: a process of it may live on, and without its rules speak as anybody.
    attempt(failures, [&] { unplug(record); });
    attempt(failures, [&] { withdraw(state, record); });
    attempt(failures, [&] { forget_flows(leased(state, record)); });
    if (!failures.empty()) return failures;  // its address must not be another's while it is used
    attempt(failures, [&] { release_addresses(state, record); });
    attempt(failures, [&] {
        const Others others = others_than(records, record);
        if (!others.on_bridge) remove_network(state, record, !others.anywhere);
        if (!others.anywhere) restore_forwarding(state);
    });
    if (failures.empty()) attempt(failures, [&] { records.remove(record.id); });
    return failures;
}

// ---- the network's file ----------------------------------------------------------------------

std::string network_file_name(const std::string& bridge) {
    return bridge + ".network";
}

std::string network_text(const NetworkSpec& network) {
    std::string text;
    for (const Subnet& subnet : subnets_of(network)) {
        text += fmt::format("subnet {}\n", subnet.prefix().text());
    }
    return text + fmt::format("mtu {}\n", network.mtu);
}

std::string on_one_line(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace tenon
