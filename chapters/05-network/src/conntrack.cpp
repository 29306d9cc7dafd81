// Rules are asked about the first packet of a flow, and conntrack remembers the answer. So a flow
// outlives the rule that began it: a client of a container that is gone would reach whoever has its
// address next, published or not. The kernel is told to forget, flow by flow.
#include "conntrack.hpp"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "netlink_answer.hpp"
#include "netlink_message.hpp"
#include "tenon/error.hpp"
#include "tenon/links.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

using Addresses = std::span<const IpAddress>;

constexpr std::uint16_t message_type(unsigned type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8U | type);
}

// A flow is named by the addresses and ports of its first packet, and by its zone.
struct Flow {
    std::uint8_t family = AF_UNSPEC;
    std::vector<std::byte> original;
    std::vector<std::byte> zone;
};

std::vector<std::byte> payload_of(const nlattr& attribute) {
    const auto* const begin = static_cast<const std::byte*>(mnl_attr_get_payload(&attribute));
    return {begin, begin + mnl_attr_get_payload_len(&attribute)};
}

bool names_one_of(const nlattr& addresses, Addresses wanted) {
    bool found = false;
    for_each_attribute(addresses, [&](const nlattr& one) {
        const auto type = mnl_attr_get_type(&one);
        const bool v4 = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST;
        const IpAddress address = address_of(v4 ? AF_INET : AF_INET6, one);
        found = found || std::find(wanted.begin(), wanted.end(), address) != wanted.end();
    });
    return found;
}

bool concerns(const nlattr& tuple, Addresses wanted) {
    bool found = false;
    for_each_attribute(tuple, [&](const nlattr& part) {
        if (mnl_attr_get_type(&part) == CTA_TUPLE_IP) found = found || names_one_of(part, wanted);
    });
    return found;
}

// Nothing when it is somebody else's.
std::optional<Flow> flow_in(const nlmsghdr& answer, Addresses wanted) {
    Flow flow{header_of<nfgenmsg>(answer).nfgen_family, {}, {}};
    bool ours = false;
    for_each_attribute(answer, sizeof(nfgenmsg), [&](const nlattr& attribute) {
        const auto type = mnl_attr_get_type(&attribute);
        if (type == CTA_TUPLE_ORIG) flow.original = payload_of(attribute);
        if (type == CTA_ZONE) flow.zone = payload_of(attribute);
        if (type != CTA_TUPLE_ORIG && type != CTA_TUPLE_REPLY) return;
        ours = ours || concerns(attribute, wanted);
    });
    return ours ? std::optional{flow} : std::nullopt;
}

// EINVAL: ctnetlink is not in this kernel, and netlink knows no such message.
std::vector<Flow> flows_of(const Netlink& netlink, Addresses wanted) {
    NetlinkMessage message{message_type(IPCTNL_MSG_CT_GET), NLM_F_DUMP};
    message.put_header(nfgenmsg{.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0});
    std::vector<Flow> flows;
    try {
        netlink.ask(message.get(), "list flows", {}, [&](const nlmsghdr& answer) {
            if (std::optional<Flow> flow = flow_in(answer, wanted)) flows.push_back(*flow);
        });
    } catch (const SysError& error) {
        if (error.error() != EINVAL && error.error() != EOPNOTSUPP) throw;
    }
    return flows;
}

// ENOENT: it has ended meanwhile.
void forget(const Netlink& netlink, const Flow& flow) {
    NetlinkMessage message{message_type(IPCTNL_MSG_CT_DELETE), 0};
    message.put_header(nfgenmsg{.nfgen_family = flow.family, .version = NFNETLINK_V0});
    message.put(CTA_TUPLE_ORIG | NLA_F_NESTED, std::span{flow.original});
    if (!flow.zone.empty()) message.put(CTA_ZONE, std::span{flow.zone});
    try {
        netlink.request(message.get(), "forget flow", {});
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
    }
}

}  // namespace

void forget_flows(Addresses addresses) {
    const trace::Step step{5, "forget its flows", "a translation outlives the rule that made it"};
    if (addresses.empty()) return;
    const Netlink netlink = Netlink::open_netfilter();
    for (const Flow& flow : flows_of(netlink, addresses)) forget(netlink, flow);
}

}  // namespace tenon
