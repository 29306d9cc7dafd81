// Sets are decided by hash or tree, so the hundredth container costs a packet as much as the first.
// Base chains say where in the kernel they are asked: nft(8), "Hooks".
#include "nat_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tenon {

namespace {

// raw comes before connection tracking: there an answer still carries the address it came for.
// The guard of the bridge comes before br_netfilter, which would run the other chains first.
constexpr std::string_view declarations = R"(table inet tenon {
  set bridges { type ifname; }
  set inside { type ifname . ifname; }
  set subnets4 { type ipv4_addr; flags interval; }
  set subnets6 { type ipv6_addr; flags interval; }
  set within4 { type ipv4_addr . ipv4_addr; flags interval; }
  set within6 { type ipv6_addr . ipv6_addr; flags interval; }
  map at4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  chain publish { }
  chain raw { type filter hook prerouting priority raw; policy accept; }
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; }
  chain output { type nat hook output priority -100; policy accept; }
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; }
  chain input { type filter hook input priority filter; policy accept; }
  chain forward { type filter hook forward priority filter; policy accept; }
}
table bridge tenon {
  set ports { type ifname; }
  set own_mac { type ifname . ether_addr; }
  set own4 { type ifname . ether_addr . ipv4_addr; }
  set own6 { type ifname . ether_addr . ipv6_addr; }
  set advertised { typeof iifname . ether saddr . @th,64,128; }
  chain guard { type filter hook prerouting priority -300; policy accept; }
}
)";

}  // namespace

std::string table_declarations() {
    return std::string{declarations};
}

std::string flush_commands() {
    return "flush table inet tenon\nflush table bridge tenon\n";
}

std::string delete_tables_commands() {
    // A deletion of what is not there would be an error.
    return "add table inet tenon\ndelete table inet tenon\n"
           "add table bridge tenon\ndelete table bridge tenon\n";
}

std::string rule_command(std::string_view table, std::string_view chain, std::string_view rule) {
    return fmt::format("add rule {} {} {}\n", table, chain, rule);
}

std::string add_command(const NatElement& element) {
    return fmt::format("add element {} {} {{ {}{}{} }}\n", element.table, element.set, element.key,
                       element.value.empty() ? "" : " : ", element.value);
}

std::string delete_command(const NatElement& element) {
    return fmt::format("delete element {} {} {{ {} }}\n", element.table, element.set, element.key);
}

std::string quoted(std::string_view name) {
    return fmt::format("\"{}\"", name);
}

std::string for_family(std::string_view set, int family) {
    return fmt::format("{}{}", set, family == AF_INET ? 4 : 6);
}

IpAddress link_local_address(const MacAddress& mac) {
    IpAddress address = IpAddress::any(AF_INET6);
    address.bytes = {0xfe, 0x80};
    std::copy(mac.begin(), mac.begin() + 3, address.bytes.begin() + 8);
    address.bytes[8] ^= 2U;  // the bit for "given by hand" is inverted there
    address.bytes[11] = 0xff;
    address.bytes[12] = 0xfe;
    std::copy(mac.begin() + 3, mac.end(), address.bytes.begin() + 13);
    return address;
}

std::string as_number(const IpAddress& address) {
    std::string text = "0x";
    for (const std::uint8_t byte : address.bytes) text += fmt::format("{:02x}", byte);
    return text;
}

}  // namespace tenon
