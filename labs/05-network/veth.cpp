// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
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
#include "tenon/todo.hpp"

namespace tenon {

namespace {

// The container's end: VETH_INFO_PEER holds a message in the message, header first.
void put_peer(NetlinkMessage& message, FdRef netns, const VethSpec& spec) {
    // TASK 05.2  a cable into the container  (25 points)
    // man: veth(4), rtnetlink(7), network_namespaces(7)
    // hint: A device that is made on the host and moved is on the host first: under a name that
    //   must be free there, and for anybody to see. How can the other end be born where it
    //   belongs?
    // more: ./course hint 05.2
    TENON_TODO("05.2");
}

}  // namespace

void make_veth(const Netlink& host, FdRef netns, const VethSpec& spec, int bridge) {
    const trace::Step step{5, "make a cable", "one end on the bridge, one born in the container"};
    check_link_name(spec.host_name);
    check_link_name(spec.container_name);
    // TASK 05.2, continued
    TENON_TODO("05.2");
}

void configure_endpoint(const Netlink& inside, const std::string& name,
                        const EndpointAddresses& where) {
    const trace::Step step{5, "configure the container's end",
                           "a device is born down and nameless"};
    // TASK 05.2, continued
    TENON_TODO("05.2");
}

}  // namespace tenon
