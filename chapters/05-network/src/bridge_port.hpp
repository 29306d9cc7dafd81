// What a port of a bridge may do beyond what every port does.
#pragma once

#include <string>

#include "tenon/links.hpp"

namespace tenon {

// Hairpin: lets the bridge send a frame back through the port it came from, so a container reaches
// its own published port where br_netfilter (net.bridge.bridge-nf-call-iptables=1) translates on
// the bridge already, and the packet never goes up to be routed. And group_fwd_mask: a frame to
// 01:80:c2:00:00:00 to 0f (IEEE 802.1D, table 7-10) is one like every other. Left alone the bridge
// hands it to the host before the guard has seen it, whatever is in it, as if the port were a
// device of its own; and notes its sender's MAC as one that lives there.
// @throws SysError  configure port: EPERM, ENODEV
void configure_port(const Netlink& host, const std::string& port);

}  // namespace tenon
