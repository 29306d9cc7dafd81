// The single steps: what `ip link`, `ip address` and `ip route` do, a message each. rtnetlink(7)
#include "tenon/links.hpp"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <stdexcept>

#include "netlink_answer.hpp"
#include "netlink_message.hpp"
#include "tenon/error.hpp"

namespace tenon {

namespace {

// ---- reading answers ------------------------------------------------------------------------

// What the bridge says of its port.
bool is_forwarding(const nlattr& port_data) {
    bool forwarding = false;
    for_each_attribute(port_data, [&](const nlattr& attribute) {
        if (mnl_attr_get_type(&attribute) != IFLA_BRPORT_STATE) return;
        forwarding = byte_of(attribute) == BR_STATE_FORWARDING;
    });
    return forwarding;
}

void read_link_info(const nlattr& link_info, Link& link) {
    std::string kind_of_master;  // stands before the data that it explains
    for_each_attribute(link_info, [&](const nlattr& attribute) {
        const int type = mnl_attr_get_type(&attribute);
        if (type == IFLA_INFO_KIND) link.kind = text_of(attribute);
        if (type == IFLA_INFO_SLAVE_KIND) kind_of_master = text_of(attribute);
        if (type != IFLA_INFO_SLAVE_DATA || kind_of_master != "bridge") return;
        link.forwarding = is_forwarding(attribute);
    });
}

void read_link_attribute(const nlattr& attribute, Link& link) {
    switch (mnl_attr_get_type(&attribute)) {
        case IFLA_IFNAME: link.name = text_of(attribute); break;
        case IFLA_MTU: link.mtu = number_of(attribute); break;
        case IFLA_MASTER: link.master = static_cast<int>(number_of(attribute)); break;
        case IFLA_ADDRESS: copy_bytes(attribute, link.mac); break;
        case IFLA_OPERSTATE: link.carrier = byte_of(attribute) == IF_OPER_UP; break;
        case IFLA_LINKINFO: read_link_info(attribute, link); break;
        default: break;
    }
}

Link link_in(const nlmsghdr& message) {
    const auto header = header_of<ifinfomsg>(message);
    Link link{.index = header.ifi_index, .up = (header.ifi_flags & IFF_UP) != 0};
    for_each_attribute(message, sizeof header,
                       [&](const nlattr& attribute) { read_link_attribute(attribute, link); });
    return link;
}

// IFA_LOCAL is our own address; IFA_ADDRESS is that, or of a point-to-point link the other end's.
IpPrefix prefix_in(const nlmsghdr& message) {
    const auto header = header_of<ifaddrmsg>(message);
    std::optional<IpAddress> local;
    std::optional<IpAddress> address;
    for_each_attribute(message, sizeof header, [&](const nlattr& attribute) {
        const int type = mnl_attr_get_type(&attribute);
        if (type == IFA_LOCAL) local = address_of(header.ifa_family, attribute);
        if (type == IFA_ADDRESS) address = address_of(header.ifa_family, attribute);
    });
    const IpAddress any = IpAddress::any(header.ifa_family);
    return {local.value_or(address.value_or(any)), header.ifa_prefixlen};
}

bool is_ip(int family) {
    return family == AF_INET || family == AF_INET6;
}

// With an index above 255 the table's number does not fit the header: then it says RT_TABLE_COMPAT.
bool is_plain_route(const rtmsg& header) {
    return is_ip(header.rtm_family) && header.rtm_table == RT_TABLE_MAIN &&
           header.rtm_type == RTN_UNICAST && (header.rtm_flags & RTM_F_CLONED) == 0;
}

Route route_in(const nlmsghdr& message, const std::map<int, std::string>& names) {
    const auto header = header_of<rtmsg>(message);
    Route route{{IpAddress::any(header.rtm_family), header.rtm_dst_len}, {}};
    for_each_attribute(message, sizeof header, [&](const nlattr& attribute) {
        const int type = mnl_attr_get_type(&attribute);
        if (type == RTA_DST) route.destination.address = address_of(header.rtm_family, attribute);
        if (type != RTA_OIF) return;
        const auto name = names.find(static_cast<int>(number_of(attribute)));
        if (name != names.end()) route.device = name->second;
    });
    return route;
}

// ---- for names ------------------------------------------------------------------------------

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"_.-"}.find(c) != std::string_view::npos;
}

std::string_view problem_of_name(std::string_view name) {
    if (name.empty()) return "a device needs a name";
    if (name.size() >= IFNAMSIZ) return "a device's name has at most 15 bytes";
    if (!std::all_of(name.begin(), name.end(), is_name_character)) {
        return "a device's name is made of letters, digits, and . _ -";
    }
    if (name == "." || name == "..") return "a folder in /proc/sys/net would have that name";
    if (name == "all" || name == "default") return "in /proc/sys/net that stands for every device";
    return name.front() == '-' ? "other programs would take that for an option" : "";
}

}  // namespace

std::string mac_text(const MacAddress& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                       mac[4], mac[5]);
}

MacAddress mac_for(const IpAddress& address) {
    const auto* const last = address.bytes.data() + address.size() - 4;
    return {0x02, 0x42, last[0], last[1], last[2], last[3]};
}

void check_link_name(std::string_view name) {
    const std::string_view problem = problem_of_name(name);
    if (!problem.empty()) throw std::invalid_argument(fmt::format("'{}': {}", name, problem));
}

// ---- links ----------------------------------------------------------------------------------

std::vector<Link> list_links(const Netlink& netlink) {
    NetlinkMessage message{RTM_GETLINK, NLM_F_DUMP};
    message.put_header(ifinfomsg{});
    std::vector<Link> links;
    netlink.ask(message.get(), "list links", {},
                [&](const nlmsghdr& answer) { links.push_back(link_in(answer)); });
    return links;
}

std::optional<Link> find_link(const Netlink& netlink, const std::string& name) {
    NetlinkMessage message{RTM_GETLINK, 0};
    message.put_header(ifinfomsg{});
    message.put(IFLA_IFNAME, name);
    std::optional<Link> link;
    try {
        netlink.ask(message.get(), "find link", name,
                    [&](const nlmsghdr& answer) { link = link_in(answer); });
    } catch (const SysError& error) {
        if (error.error() != ENODEV) throw;
    }
    return link;
}

int index_of_link(const Netlink& netlink, const std::string& name) {
    const std::optional<Link> link = find_link(netlink, name);
    if (!link) throw SysError(ENODEV, "find link", name);
    return link->index;
}

void set_link_up(const Netlink& netlink, int index) {
    NetlinkMessage message{RTM_NEWLINK, 0};
    message.put_header(ifinfomsg{.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
    netlink.request(message.get(), "set link up", fmt::format("device {}", index));
}

void wait_until_forwarding(const Netlink& netlink, const std::string& port) {
    const auto is_reached = [&] {
        const std::optional<Link> link = find_link(netlink, port);
        if (!link) throw SysError(ENODEV, "find link", port);
        // Linux 6.1 calls a port forwarding before it has a carrier for the first time.
        return link->carrier && link->forwarding;
    };
    netlink.wait_for_link(is_reached, "wait for port", port);
}

void delete_link(const Netlink& netlink, const std::string& name) {
    NetlinkMessage message{RTM_DELLINK, 0};
    message.put_header(ifinfomsg{});
    message.put(IFLA_IFNAME, name);
    try {
        netlink.request(message.get(), "delete link", name);
    } catch (const SysError& error) {
        if (error.error() != ENODEV) throw;
    }
}

void bring_up_loopback() {
    const Netlink netlink = Netlink::open();
    set_link_up(netlink, index_of_link(netlink, "lo"));
}

// ---- addresses and routes -------------------------------------------------------------------

// IFA_F_NODAD: else the kernel asks the network for a second whether somebody has the address
// already, and until then nobody can use it. Ours come from a pool that knows.
void add_address(const Netlink& netlink, int index, const IpPrefix& address) {
    const bool v6 = address.address.family == AF_INET6;
    NetlinkMessage message{RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL};
    message.put_header(ifaddrmsg{.ifa_family = static_cast<std::uint8_t>(address.address.family),
                                 .ifa_prefixlen = static_cast<std::uint8_t>(address.length),
                                 .ifa_flags = static_cast<std::uint8_t>(v6 ? IFA_F_NODAD : 0),
                                 .ifa_scope = RT_SCOPE_UNIVERSE,
                                 .ifa_index = static_cast<std::uint32_t>(index)});
    message.put(IFA_LOCAL, address.address);
    message.put(IFA_ADDRESS, address.address);
    try {
        netlink.request(message.get(), "add address", address.text());
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
    }
}

std::vector<IpPrefix> addresses_of(const Netlink& netlink, int index) {
    NetlinkMessage message{RTM_GETADDR, NLM_F_DUMP};
    message.put_header(ifaddrmsg{});
    std::vector<IpPrefix> addresses;
    netlink.ask(message.get(), "list addresses", {}, [&](const nlmsghdr& answer) {
        const auto header = header_of<ifaddrmsg>(answer);
        if (header.ifa_index != static_cast<std::uint32_t>(index)) return;
        if (is_ip(header.ifa_family)) addresses.push_back(prefix_in(answer));
    });
    return addresses;
}

void add_default_route(const Netlink& netlink, int index, const IpAddress& gateway) {
    NetlinkMessage message{RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL};
    message.put_header(rtmsg{.rtm_family = static_cast<std::uint8_t>(gateway.family),
                             .rtm_table = RT_TABLE_MAIN,
                             .rtm_protocol = RTPROT_STATIC,
                             .rtm_scope = RT_SCOPE_UNIVERSE,
                             .rtm_type = RTN_UNICAST});
    message.put(RTA_GATEWAY, gateway);
    message.put(RTA_OIF, static_cast<std::uint32_t>(index));
    netlink.request(message.get(), "add route", fmt::format("default via {}", gateway.text()));
}

std::vector<Route> list_routes(const Netlink& netlink) {
    std::map<int, std::string> names;
    for (const Link& link : list_links(netlink)) names[link.index] = link.name;
    NetlinkMessage message{RTM_GETROUTE, NLM_F_DUMP};
    message.put_header(rtmsg{});
    std::vector<Route> routes;
    netlink.ask(message.get(), "list routes", {}, [&](const nlmsghdr& answer) {
        if (is_plain_route(header_of<rtmsg>(answer))) routes.push_back(route_in(answer, names));
    });
    return routes;
}

}  // namespace tenon
