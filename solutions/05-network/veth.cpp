// A veth pair is a cable: what goes in at one end comes out at the other. One message makes both
// ends, each where it belongs. An end that is made on the host first and moved afterwards is there
// for everybody to see meanwhile: it needs a name that is free, udev and network managers configure
// it, and whoever is killed in between leaves it behind. veth(4), network_namespaces(7)
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/veth.h>

#include "netlink_message.hpp"
#include "tenon/links.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// The container's end: VETH_INFO_PEER holds a message in the message, header first.
void put_peer(NetlinkMessage& message, FdRef netns, const VethSpec& spec) {
    // BEGIN SOLUTION 05.2
    const auto peer = message.nest(VETH_INFO_PEER);
    message.put_header(ifinfomsg{});
    message.put(IFLA_IFNAME, spec.container_name);
    message.put(IFLA_ADDRESS, spec.mac);
    message.put(IFLA_MTU, spec.mtu);
    message.put(IFLA_NET_NS_FD, netns);
    // END SOLUTION
}

}  // namespace

void make_veth(const Netlink& host, FdRef netns, const VethSpec& spec, int bridge) {
    const trace::Step step{5, "make a cable", "one end on the bridge, one born in the container"};
    check_link_name(spec.host_name);
    check_link_name(spec.container_name);
    // BEGIN SOLUTION 05.2
    NetlinkMessage message{RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL};
    message.put_header(ifinfomsg{.ifi_flags = IFF_UP, .ifi_change = IFF_UP});
    message.put(IFLA_IFNAME, spec.host_name);
    message.put(IFLA_MTU, spec.mtu);
    message.put(IFLA_MASTER, static_cast<std::uint32_t>(bridge));
    {
        const auto info = message.nest(IFLA_LINKINFO);
        message.put(IFLA_INFO_KIND, "veth");
        const auto data = message.nest(IFLA_INFO_DATA);
        put_peer(message, netns, spec);
    }
    host.request(message.get(), "make veth", spec.host_name);
    // END SOLUTION
}

void configure_endpoint(const Netlink& inside, const std::string& name,
                        const EndpointAddresses& where) {
    const trace::Step step{5, "configure the container's end",
                           "a device is born down and nameless"};
    // BEGIN SOLUTION 05.2
    set_link_up(inside, index_of_link(inside, "lo"));
    const int index = index_of_link(inside, name);
    for (const IpPrefix& address : where.addresses) add_address(inside, index, address);
    // The kernel takes a route through a network that is up only.
    set_link_up(inside, index);
    for (const IpAddress& gateway : where.gateways) add_default_route(inside, index, gateway);
    // END SOLUTION
}

}  // namespace tenon
