// A bridge is a switch in the kernel. The host has a port on it under the bridge's own name: an
// address there makes the host a neighbour of every container, and so their gateway.
// Linux, Documentation/networking/bridge.rst
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>

#include <cerrno>

#include "netlink_message.hpp"
#include "tenon/error.hpp"
#include "tenon/links.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// Left to itself a bridge takes over the lowest MAC address among its ports: it would change with
// every container, and the others would send to one that is gone. One that was set stays.
MacAddress mac_of_bridge(const BridgeSpec& spec) {
    return spec.gateways.empty() ? MacAddress{0x02, 0x42} : mac_for(spec.gateways.front().address);
}

// The index of the bridge of that name; 0 when there is no such device.
int find_bridge(const Netlink& host, const std::string& name) {
    const std::optional<Link> link = find_link(host, name);
    if (!link) return 0;
    // BEGIN SOLUTION 05.1
    if (link->kind == "bridge") return link->index;
    const std::string what = link->kind.empty() ? "no virtual device" : "a " + link->kind;
    throw SysError(EEXIST, "make bridge", fmt::format("{} (it is {})", name, what));
    // END SOLUTION
}

// One message: RTM_NEWLINK with IFLA_IFNAME, IFLA_ADDRESS and, in IFLA_LINKINFO, the kind.
void make_bridge(const Netlink& host, const BridgeSpec& spec) {
    // BEGIN SOLUTION 05.1
    // Without NLM_F_EXCL the kernel would change a device that has the name already.
    NetlinkMessage message{RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL};
    message.put_header(ifinfomsg{});
    message.put(IFLA_IFNAME, spec.name);
    message.put(IFLA_ADDRESS, mac_of_bridge(spec));
    {
        const auto info = message.nest(IFLA_LINKINFO);
        message.put(IFLA_INFO_KIND, "bridge");
    }
    host.request(message.get(), "make bridge", spec.name);
    // END SOLUTION
}

// The bridge's index, whoever made it: us, somebody before us, or somebody at the same time.
int find_or_make_bridge(const Netlink& host, const BridgeSpec& spec) {
    // BEGIN SOLUTION 05.1
    if (const int index = find_bridge(host, spec.name); index != 0) return index;
    try {
        make_bridge(host, spec);
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
    }
    const int index = find_bridge(host, spec.name);
    if (index == 0) throw SysError(ENODEV, "make bridge", spec.name);
    return index;
    // END SOLUTION
}

// One message again: RTM_NEWLINK to a device that is there changes it. An MTU that was set holds;
// else a bridge has the smallest of its ports.
void set_up_with_mtu(const Netlink& host, int index, const BridgeSpec& spec) {
    // BEGIN SOLUTION 05.1
    NetlinkMessage message{RTM_NEWLINK, 0};
    message.put_header(ifinfomsg{.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
    message.put(IFLA_MTU, spec.mtu);
    host.request(message.get(), "set up bridge", fmt::format("{}, mtu {}", spec.name, spec.mtu));
    // END SOLUTION
}

}  // namespace

int ensure_bridge(const Netlink& host, const BridgeSpec& spec) {
    const trace::Step step{5, "have a bridge", "the switch that containers are plugged into"};
    check_link_name(spec.name);
    // BEGIN SOLUTION 05.1
    const int index = find_or_make_bridge(host, spec);
    for (const IpPrefix& gateway : spec.gateways) add_address(host, index, gateway);
    set_up_with_mtu(host, index, spec);
    return index;
    // END SOLUTION
}

}  // namespace tenon
