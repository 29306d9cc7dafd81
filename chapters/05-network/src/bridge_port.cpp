// A port's own settings are those of a slave in its master's words: IFLA_INFO_SLAVE_DATA.
#include "bridge_port.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstdint>
#include <span>

#include "netlink_message.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// A bit per last byte of the address. The kernel never passes on 01, Ethernet's PAUSE.
constexpr std::uint16_t reserved_addresses = 0xfffd;

}  // namespace

void configure_port(const Netlink& host, const std::string& port) {
    const trace::Step step{5, "set what its port does", "back to the container; nothing unguarded"};
    NetlinkMessage message{RTM_NEWLINK, 0};
    message.put_header(ifinfomsg{.ifi_index = index_of_link(host, port)});
    {
        const auto info = message.nest(IFLA_LINKINFO);
        message.put(IFLA_INFO_SLAVE_KIND, "bridge");
        const auto data = message.nest(IFLA_INFO_SLAVE_DATA);
        message.put(IFLA_BRPORT_MODE, std::array<std::uint8_t, 1>{1});
        message.put(IFLA_BRPORT_GROUP_FWD_MASK, std::as_bytes(std::span{&reserved_addresses, 1}));
    }
    host.request(message.get(), "configure port", port);
}

}  // namespace tenon
