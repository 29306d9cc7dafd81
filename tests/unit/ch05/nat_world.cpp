#include "nat_world.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "story.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

// ---- the host --------------------------------------------------------------------------------

void write_switch(const std::string& path, const std::string& value) {
    std::ofstream file{"/proc/sys/net/" + path};
    file << value << std::flush;
    if (!file) throw std::runtime_error("cannot write " + path);
}

void make_bridge(const std::string& name, const std::vector<std::string>& addresses) {
    const Netlink netlink = Netlink::open();
    make_plain_bridge(name);
    // Else its link-local address is of no use for a second, and nobody is asked where they are.
    write_switch(fmt::format("ipv6/conf/{}/accept_dad", name), "0");
    const int index = index_of_link(netlink, name);
    for (const std::string& address : addresses) {
        add_address(netlink, index, IpPrefix::parse(address));
    }
    set_link_up(netlink, index);
}

// A cable from `bridge` of the current namespace to eth0 in `netns`.
void plug(const TestNetns& netns, const std::string& bridge, const VethSpec& cable,
          const EndpointAddresses& where) {
    const Netlink netlink = Netlink::open();
    make_veth(netlink, netns.fd(), cable, index_of_link(netlink, bridge));
    configure_endpoint(Netlink::open_in(netns.fd()), cable.container_name, where);
    wait_until_forwarding(netlink, cable.host_name);
}

// ---- sockets ---------------------------------------------------------------------------------

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);
    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
    SocketAddress made;
    if (address.family == AF_INET) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.bytes.data(), 4);
        std::memcpy(&made.storage, &in, made.size = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        std::memcpy(&in.sin6_addr, address.bytes.data(), 16);
        std::memcpy(&made.storage, &in, made.size = sizeof in);
    }
    return made;
}

// lo loses its address, and table local the routes to it; what is sent to 127.0.0.0/8 goes to
// `gateway`. netdevice(7)
void give_loopback_away(const std::string& gateway) {
    ifreq loopback{};
    std::strncpy(loopback.ifr_name, "lo", IFNAMSIZ);
    const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    loopback.ifr_addr.sa_family = AF_INET;  // 0.0.0.0
    check(::ioctl(socket.ref().number(), SIOCSIFADDR, &loopback), "SIOCSIFADDR");
    rtentry route{};
    const auto set = [](sockaddr& field, const char* address) {
        SocketAddress made = socket_address(IpAddress::parse(address), 0);
        std::memcpy(&field, &made.storage, sizeof field);
    };
    set(route.rt_dst, "127.0.0.0");
    set(route.rt_genmask, "255.0.0.0");
    set(route.rt_gateway, gateway.c_str());
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    check(::ioctl(socket.ref().number(), SIOCADDRT, &route), "SIOCADDRT");
}

std::string text_of(const SocketAddress& address) {
    IpAddress ip;
    ip.family = address.storage.ss_family;
    if (ip.family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &address.storage, sizeof in);
        std::memcpy(ip.bytes.data(), &in.sin_addr, 4);
    } else {
        sockaddr_in6 in{};
        std::memcpy(&in, &address.storage, sizeof in);
        std::memcpy(ip.bytes.data(), &in.sin6_addr, 16);
    }
    return ip.text();
}

UniqueFd new_socket(const TestNetns& netns, int family, int type) {
    return netns.run([&] {
        const int number = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return UniqueFd{static_cast<int>(check(number, "socket"))};
    });
}

// False when nothing came within `patience` milliseconds.
bool wait_for(FdRef socket, short events, int patience) {
    pollfd watched{socket.number(), events, 0};
    return check(::poll(&watched, 1, patience * static_cast<int>(time_factor())), "poll") > 0;
}

UniqueFd new_server(const Call& call, int family, int type) {
    UniqueFd server = new_socket(call.to, family, type);
    const IpAddress on = call.on.empty() ? IpAddress::any(family) : IpAddress::parse(call.on);
    SocketAddress address = socket_address(on, call.served);
    const int yes = 1;
    ::setsockopt(server.ref().number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    check(::bind(server.ref().number(), address.get(), address.size), "bind");
    return server;
}

std::string connected_from(FdRef server, FdRef client, int patience) {
    // Writable or in error: both are an answer.
    if (!wait_for(client, POLLOUT, patience)) return "blocked";
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(client.number(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return error == ECONNREFUSED ? "refused" : "blocked";
    if (!wait_for(server, POLLIN, patience)) return "answered by somebody else";
    SocketAddress peer;
    const UniqueFd accepted{::accept4(server.number(), peer.get(), &peer.size, SOCK_CLOEXEC)};
    return accepted.valid() ? text_of(peer) : "blocked";
}

// ---- frames ----------------------------------------------------------------------------------

std::string bytes_of(const MacAddress& mac) {
    return {mac.begin(), mac.end()};
}

std::string bytes_of(const IpAddress& address) {
    return {address.bytes.begin(), address.bytes.begin() + static_cast<long>(address.size())};
}

std::string big_endian(unsigned value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xffU)};
}

// The Internet checksum of RFC 1071.
std::string checksum(const std::string& bytes) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const unsigned byte = static_cast<unsigned char>(bytes[i]);
        sum += i % 2 == 0 ? byte << 8U : byte;
    }
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    return big_endian(~sum & 0xffffU);
}

const std::string tag{"\x81\0\0\0", 4};  // of VLAN 0: the receiver takes it off and goes on

std::string ethernet(const FrameAddresses& macs, unsigned type, const std::string& payload) {
    std::string frame = bytes_of(macs.to) + bytes_of(macs.from) + big_endian(type) + payload;
    if (frame.size() < 60) frame.resize(60, '\0');
    return frame;
}

UniqueFd packet_socket(const TestNetns& netns) {
    return netns.run([] {
        const int number =
            ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x0003 /* all */));
        UniqueFd socket{static_cast<int>(check(number, "socket"))};
        sockaddr_ll device{};
        device.sll_family = AF_PACKET;
        device.sll_protocol = htons(0x0003);
        device.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
        check(::bind(number, reinterpret_cast<sockaddr*>(&device), sizeof device), "bind");
        return socket;
    });
}

void send_frame(FdRef socket, const std::string& frame) {
    check(::send(socket.number(), frame.data(), frame.size(), 0), "send");
}

// Nothing: no more came.
std::string next_frame(FdRef socket) {
    std::string frame(2048, '\0');
    if (!wait_for(socket, POLLIN, 3000)) return "";
    const long size = ::recv(socket.number(), frame.data(), frame.size(), 0);
    frame.resize(static_cast<std::size_t>(check(size, "recv")));
    return frame;
}

// A packet socket shows a frame's tag beside it, not in it. packet(7), PACKET_AUXDATA
std::string without_tag(const std::string& frame) {
    if (frame.compare(12, tag.size(), tag) != 0) return frame;
    return frame.substr(0, 12) + frame.substr(12 + tag.size());
}

// br_netfilter cuts off what fills a short frame.
bool is_same(const std::string& got, const std::string& sent) {
    constexpr std::size_t shortest = 34;
    return got.size() >= shortest && without_tag(sent).starts_with(got);
}

}  // namespace

// ---- the world -------------------------------------------------------------------------------

NatWorld::NatWorld() {
    host_.run([&] {
        const Netlink netlink = Netlink::open();
        set_link_up(netlink, index_of_link(netlink, "lo"));
        write_switch("ipv4/ip_forward", "1");
        write_switch("ipv6/conf/all/forwarding", "1");
        make_bridge("wan0", {"192.0.2.1/24", "2001:db8::1/64"});
        plug(outside_, "wan0", {.host_name = "cable", .mac = {2, 0x42, 192, 0, 2, 2}},
             {{IpPrefix::parse("192.0.2.2/24"), IpPrefix::parse("2001:db8::2/64")},
              {IpAddress::parse("192.0.2.1"), IpAddress::parse("2001:db8::1")}});
    });
}

NatNetwork NatWorld::network(int number) {
    return {fmt::format("tenon{}", number),
            {IpPrefix::parse(fmt::format("10.8{}.0.0/16", number)),
             IpPrefix::parse(fmt::format("fd8{}::/64", number))}};
}

NatEndpoint NatWorld::endpoint(int bridge, int number, std::vector<PortMapping> ports) {
    const IpAddress address = IpAddress::parse(fmt::format("10.8{}.0.{}", bridge, number));
    return {.bridge = fmt::format("tenon{}", bridge),
            .veth = fmt::format("veth{}-{}", bridge, number),
            .mac = mac_for(address),
            .addresses = {address, IpAddress::parse(fmt::format("fd8{}::{}", bridge, number))},
            .ports = std::move(ports)};
}

void NatWorld::nft(const std::string& commands) const {
    host_.run([&] { Nftables{}.run(commands); });
}

std::string NatWorld::ask(const std::string& command) const {
    return host_.run([&] { return Nftables{}.ask(command); });
}

void NatWorld::add_bridge(int number) {
    const std::string name = fmt::format("tenon{}", number);
    host_.run([&] {
        make_bridge(name,
                    {fmt::format("10.8{}.0.1/16", number), fmt::format("fd8{}::1/64", number)});
        write_switch(fmt::format("ipv4/conf/{}/route_localnet", name), "1");
    });
    nft(network_commands(network(number)));
}

const TestNetns& NatWorld::add_container(int bridge, int number, std::vector<PortMapping> ports) {
    const NatEndpoint spec = endpoint(bridge, number, std::move(ports));
    containers_.push_back(std::make_unique<TestNetns>());
    EndpointAddresses where{{{spec.addresses[0], 16}, {spec.addresses[1], 64}},
                            {IpAddress::parse(fmt::format("10.8{}.0.1", bridge)),
                             IpAddress::parse(fmt::format("fd8{}::1", bridge))}};
    host_.run([&] {
        plug(*containers_.back(), spec.bridge, {.host_name = spec.veth, .mac = spec.mac}, where);
    });
    for (const PortMapping& port : spec.ports) step("published: " + port.text());
    nft(publish_commands(spec));
    return *containers_.back();
}

Reached call_tcp(const Call& call) {
    const IpAddress to = IpAddress::parse(call.address);
    const UniqueFd server = new_server(call, to.family, SOCK_STREAM);
    check(::listen(server.ref().number(), 1), "listen");
    const UniqueFd client = new_socket(call.from, to.family, SOCK_STREAM);
    SocketAddress address = socket_address(to, call.port);
    if (::connect(client.ref().number(), address.get(), address.size) != 0 &&
        errno != EINPROGRESS) {
        return {"blocked"};
    }
    return {connected_from(server, client, call.patience)};
}

Reached try_tcp(Call call) {
    call.patience = 400;
    return call_tcp(call);
}

Reached call_udp(const Call& call) {
    const IpAddress to = IpAddress::parse(call.address);
    const UniqueFd server = new_server(call, to.family, SOCK_DGRAM);
    const UniqueFd client = new_socket(call.from, to.family, SOCK_DGRAM);
    SocketAddress address = socket_address(to, call.port);
    check(::connect(client.ref().number(), address.get(), address.size), "connect");
    check(::send(client.ref().number(), "word", 4, 0), "send");
    if (!wait_for(server, POLLIN, call.patience)) return {"blocked"};
    std::array<char, 16> word{};
    SocketAddress peer;
    check(::recvfrom(server.ref().number(), word.data(), word.size(), 0, peer.get(), &peer.size),
          "recvfrom");
    check(::sendto(server.ref().number(), "back", 4, 0, peer.get(), peer.size), "sendto");
    return {wait_for(client, POLLIN, call.patience) ? text_of(peer) : "blocked"};
}

// As CVE-2020-8558 did it: 127.0.0.0/8 belongs to another device than lo, through a gateway.
Reached call_loopback(const Call& call, const std::string& gateway) {
    call.from.run([&] {
        write_switch("ipv4/conf/all/route_localnet", "1");
        give_loopback_away(gateway);
    });
    return try_tcp(call);
}

Reached call_loopback_from_wire(const NatWorld& world, const TestNetns& container) {
    return call_loopback({container, world.host(), "127.0.0.1", 631, 631, "127.0.0.1"},
                         "10.87.0.1");
}

Reached call_loopback_of_host_from_outside(const NatWorld& world, const TestNetns& container) {
    return call_loopback({world.outside(), container, "127.0.0.1", 8080}, "192.0.2.1");
}

bool arrives(const TestNetns& from, const TestNetns& to, const std::string& frame,
             const std::string& harmless) {
    const UniqueFd sender = packet_socket(from);
    const UniqueFd receiver = packet_socket(to);
    send_frame(sender, frame);
    send_frame(sender, harmless);  // frames do not overtake each other
    bool came = false;
    for (std::string got = next_frame(receiver); !got.empty(); got = next_frame(receiver)) {
        came = came || is_same(got, frame);
        if (is_same(got, harmless)) return came;
    }
    throw std::runtime_error("not even a harmless frame arrived");
}

std::string ip_frame(const FrameAddresses& macs, const std::string& from, const std::string& to) {
    const std::string addresses = bytes_of(IpAddress::parse(from)) + bytes_of(IpAddress::parse(to));
    // Version and length, no fragments, 64 hops, protocol 253 (for experiments, RFC 3692).
    const std::string start{"\x45\0\0\x14\0\0\0\0\x40\xfd", 10};
    const std::string sum = checksum(start + std::string(2, '\0') + addresses);
    return ethernet(macs, 0x0800, start + sum + addresses);
}

std::string arp_frame(const FrameAddresses& macs, const MacAddress& claimed,
                      const std::string& ip) {
    const std::string reply{"\0\1\x08\0\6\4\0\2", 8};
    const std::string address = bytes_of(IpAddress::parse(ip));
    return ethernet(macs, 0x0806,
                    reply + bytes_of(claimed) + address + bytes_of(macs.to) + address);
}

std::string tagged(const std::string& frame) {
    return frame.substr(0, 12) + tag + frame.substr(12);
}

std::string advertisement(const FrameAddresses& macs, const std::string& from,
                          const std::string& target, std::uint8_t type) {
    const std::string source = bytes_of(IpAddress::parse(from));
    const std::string all_nodes = bytes_of(IpAddress::parse("ff02::1"));
    const std::string start{static_cast<char>(type), '\0'};
    const std::string rest = std::string{"\x20\0\0\0", 4} + bytes_of(IpAddress::parse(target)) +
                             std::string{"\2\1", 2} + bytes_of(macs.from);
    const unsigned size = static_cast<unsigned>(start.size() + 2 + rest.size());
    const std::string pseudo =
        source + all_nodes + std::string(2, '\0') + big_endian(size) + std::string{"\0\0\0\x3a", 4};
    const std::string sum = checksum(pseudo + start + std::string(2, '\0') + rest);
    const std::string header =
        std::string{"\x60\0\0\0", 4} + big_endian(size) + std::string{"\x3a\xff", 2};
    return ethernet(macs, 0x86dd, header + source + all_nodes + start + sum + rest);
}

}  // namespace tenon::test
