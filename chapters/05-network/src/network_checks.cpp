// What is refused, and in which words, before anything is made.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "lease_table.hpp"
#include "network_files.hpp"
#include "network_parts.hpp"
#include "port_reservation.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

namespace {

[[noreturn]] void refuse(const std::string& why) {
    throw std::invalid_argument(why);
}

void check_port_pairs(const std::vector<PortMapping>& ports) {
    for (auto one = ports.begin(); one != ports.end(); ++one) {
        const auto other = std::find_if(one + 1, ports.end(),
                                        [&](const auto& port) { return conflict(*one, port); });
        if (other == ports.end()) continue;
        refuse(one->text() == other->text()
                   ? fmt::format("port {} is given twice", one->text())
                   : fmt::format("ports {} and {} exclude each other: both are the host's port {}",
                                 one->text(), other->text(), one->host_port));
    }
}

void check_families(const NetworkSpec& network, const EndpointSpec& endpoint) {
    if (endpoint.address && endpoint.address->family != AF_INET) {
        refuse(fmt::format("{} is no IPv4 address: that is --ip6", endpoint.address->text()));
    }
    if (endpoint.address6 && endpoint.address6->family != AF_INET6) {
        refuse(fmt::format("{} is no IPv6 address: that is --ip", endpoint.address6->text()));
    }
    if (network.subnet6) return;
    if (endpoint.address6) refuse("an IPv6 address needs an IPv6 network: add --subnet6");
    for (const PortMapping& port : endpoint.ports) {
        if (port.host_address.family == AF_INET) continue;
        refuse(fmt::format("port {} needs an IPv6 network: add --subnet6", port.text()));
    }
}

// The least that RFC 791 and RFC 8200, section 5, ask of a network, and the most that a device has.
void check_mtu(const NetworkSpec& network) {
    const unsigned least = network.subnet6 ? 1280 : 68;
    if (network.mtu >= least && network.mtu <= 65535) return;
    refuse(fmt::format("an MTU of {} is not possible: {} to 65535 bytes{}", network.mtu, least,
                       network.subnet6 ? " with IPv6" : ""));
}

// `0.0.0.0/0`, and the halves by which VPNs cover it, are ways to anywhere.
bool leads_anywhere(const IpPrefix& destination) {
    return destination.length <= 1;
}

void check_routes(const Netlink& host, const std::string& bridge, const IpPrefix& subnet) {
    for (const Route& route : list_routes(host)) {
        if (route.device == bridge || leads_anywhere(route.destination)) continue;
        if (!route.destination.overlaps(subnet)) continue;
        refuse(
            fmt::format("{} clashes with {}, to which this host has a route through {}: choose "
                        "another --subnet",
                        subnet.text(), route.destination.text(), route.device));
    }
}

// An address without a route of its own, such as a /32.
void check_addresses(const Netlink& host, const std::string& bridge, const IpPrefix& subnet) {
    for (const Link& link : list_links(host)) {
        if (link.name == bridge) continue;
        for (const IpPrefix& address : addresses_of(host, link.index)) {
            if (!subnet.contains(address.address)) continue;
            refuse(
                fmt::format("{} clashes with {}, this host's address on {}: choose another "
                            "--subnet",
                            subnet.text(), address.text(), link.name));
        }
    }
}

void check_new_bridge(const Netlink& host, const NetworkSpec& network) {
    if (find_link(host, network.bridge)) {
        refuse(fmt::format("a device {} is there already, and not ours: choose another --bridge",
                           network.bridge));
    }
    for (const Subnet& subnet : subnets_of(network)) {
        check_routes(host, network.bridge, subnet.prefix());
        check_addresses(host, network.bridge, subnet.prefix());
    }
}

// The first of @p ports that the endpoint has already.
std::optional<PortMapping> taken_by(const EndpointRecord& record,
                                    const std::vector<PortMapping>& ports) {
    for (const PortMapping& port : ports) {
        const bool taken = std::any_of(record.ports.begin(), record.ports.end(),
                                       [&](const auto& one) { return conflict(one, port); });
        if (taken) return port;
    }
    return std::nullopt;
}

}  // namespace

void check_request(const NetworkSpec& network, const EndpointSpec& endpoint) {
    check_link_name(network.bridge);
    check_owner_name(endpoint.id);
    if (network.subnet.prefix().address.family != AF_INET) refuse("--subnet takes IPv4: --subnet6");
    if (network.subnet6 && network.subnet6->prefix().address.family != AF_INET6) {
        refuse("--subnet6 takes IPv6: --subnet");
    }
    check_mtu(network);
    check_families(network, endpoint);
    check_port_pairs(endpoint.ports);
}

void check_network(FdRef state, const NetworkSpec& network) {
    const std::optional<std::string> known =
        read_kernel_file_if_present(state, network_file_name(network.bridge));
    if (!known) return check_new_bridge(Netlink::open(), network);
    const std::string wanted = network_text(network);
    if (*known == wanted) return;
    refuse(fmt::format("the bridge {} has {} already, and not {}: choose another --bridge",
                       network.bridge, on_one_line(*known), on_one_line(wanted)));
}

void check_host(FdRef state, const EndpointRecords& records) {
    constexpr const char* file = "host";
    const std::string ours = sys::readlinkat(FdRef::working_directory(), "/proc/self/ns/net");
    const std::optional<std::string> known = read_kernel_file_if_present(state, file);
    if (known == ours) return;
    if (known && !records.ids().empty()) {
        throw std::runtime_error(fmt::format(
            "the network state belongs to another host, the network namespace {}, and this one is "
            "{}: name a folder of its own with --network-state",
            *known, ours));
    }
    replace_file(state, file, ours);
}

void check_ports(const EndpointRecords& records, const std::vector<PortMapping>& ports) {
    if (ports.empty()) return;
    for (const EndpointRecord& record : records.all()) {
        const std::optional<PortMapping> taken = taken_by(record, ports);
        if (!taken) continue;
        throw std::runtime_error(
            fmt::format("port {} is taken by the container {}: end it, or choose another",
                        taken->text(), record.id));
    }
}

}  // namespace tenon
