#include "network_view.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

UniqueFd open_own_netns() {
    const int fd = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return UniqueFd{static_cast<int>(check(fd, "open", "our network namespace"))};
}

void enter(FdRef netns) {
    check(::setns(netns.number(), CLONE_NEWNET), "setns", "the test's network namespace");
}

UniqueFd make_socket(int family, int type) {
    const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return UniqueFd{static_cast<int>(check(fd, "socket", "the test's"))};
}

ifreq request_for(const std::string& name) {
    ifreq request{};
    std::strncpy(&request.ifr_name[0], name.c_str(), IFNAMSIZ - 1);
    return request;
}

// Whether the kernel answered; what it said is in `request`. netdevice(7)
bool ask(unsigned long what, ifreq& request) {
    const UniqueFd socket = make_socket(AF_INET, SOCK_DGRAM);
    return ::ioctl(socket.ref().number(), what, &request) >= 0;
}

std::string driver_of(const std::string& name) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request = request_for(name);
    request.ifr_data = reinterpret_cast<char*>(&info);
    return ask(SIOCETHTOOL, request) ? &info.driver[0] : "";
}

std::string text_of_mac(const ifreq& request) {
    std::string text;
    for (std::size_t i = 0; i < 6; ++i) {
        text += fmt::format("{}{:02x}", i == 0 ? "" : ":",
                            static_cast<unsigned char>(request.ifr_hwaddr.sa_data[i]));
    }
    return text;
}

// The bytes of an address behind its header, in network order.
std::vector<std::uint8_t> bytes_of(const sockaddr& address) {
    const bool v4 = address.sa_family == AF_INET;
    const std::size_t offset =
        v4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
    std::vector<std::uint8_t> bytes(v4 ? 4 : 16);
    std::memcpy(bytes.data(), reinterpret_cast<const char*>(&address) + offset, bytes.size());
    return bytes;
}

std::string text_of(int family, const void* bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(family, bytes, text.data(), text.size());
}

std::string prefix_text(const ifaddrs& entry) {
    int bits = 0;
    for (const std::uint8_t byte : bytes_of(*entry.ifa_netmask)) bits += std::popcount(byte);
    return fmt::format("{}/{}",
                       text_of(entry.ifa_addr->sa_family, bytes_of(*entry.ifa_addr).data()), bits);
}

bool is_of_interest(const ifaddrs& entry, const std::string& name) {
    if (entry.ifa_addr == nullptr || entry.ifa_netmask == nullptr || name != entry.ifa_name) {
        return false;
    }
    const int family = entry.ifa_addr->sa_family;
    return family == AF_INET || (family == AF_INET6 && bytes_of(*entry.ifa_addr)[0] != 0xfe);
}

std::set<std::string> addresses_on(const std::string& name) {
    ifaddrs* list = nullptr;
    check(::getifaddrs(&list), "getifaddrs");
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{list, ::freeifaddrs};
    std::set<std::string> found;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (is_of_interest(*entry, name)) found.insert(prefix_text(*entry));
    }
    return found;
}

// "0a570001" of /proc/net/route is a number in the machine's byte order.
std::string text_of_hex_v4(const std::string& hex) {
    const auto number = static_cast<std::uint32_t>(std::stoul(hex, nullptr, 16));
    return text_of(AF_INET, &number);
}

std::string text_of_hex_v6(const std::string& hex) {
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
    }
    return text_of(AF_INET6, bytes.data());
}

std::vector<std::vector<std::string>> words_in(const std::string& path) {
    std::vector<std::vector<std::string>> lines;
    std::istringstream text{read_file(path)};
    for (std::string line; std::getline(text, line);) {
        std::istringstream words{line};
        lines.emplace_back();
        for (std::string word; words >> word;) lines.back().push_back(word);
    }
    return lines;
}

// An ordinary user's root may leave the machine's own network namespace, and not come back: it is
// left once, for one from where every other can be visited.
void settle_where_we_may_return() {
    static const bool settled = is_real_root() || ::unshare(CLONE_NEWNET) == 0;
    if (!settled) throw std::runtime_error("no network namespace for the tests");
}

}  // namespace

TestNetns::Visit::Visit(FdRef netns) : home_(open_own_netns()) {
    enter(netns);
}

TestNetns::Visit::~Visit() {
    enter(home_);
}

TestNetns::TestNetns() {
    settle_where_we_may_return();
    const Visit back{open_own_netns()};
    check(::unshare(CLONE_NEWNET), "unshare", "CLONE_NEWNET");
    fd_ = open_own_netns();
}

// proc_pid_net(5): two lines of headings, then `name: numbers`.
std::set<std::string> device_names() {
    std::set<std::string> names;
    for (const auto& words : words_in("/proc/self/net/dev")) {
        if (words[0].ends_with(':')) names.insert(words[0].substr(0, words[0].size() - 1));
    }
    return names;
}

std::optional<DeviceView> view_device(const std::string& name) {
    ifreq request = request_for(name);
    if (!ask(SIOCGIFINDEX, request)) return {};
    DeviceView view{.index = request.ifr_ifindex, .driver = driver_of(name)};
    if (ask(SIOCGIFFLAGS, request)) view.up = (request.ifr_flags & IFF_UP) != 0;
    if (ask(SIOCGIFMTU, request)) view.mtu = static_cast<unsigned>(request.ifr_mtu);
    if (ask(SIOCGIFHWADDR, request)) view.mac = text_of_mac(request);
    view.addresses = addresses_on(name);
    return view;
}

DeviceView device(const std::string& name) {
    const std::optional<DeviceView> view = view_device(name);
    TENON_EXPECT(view.has_value(), "a device " + name, "only " + joined(device_names()));
    return *view;
}

// The bridge's first interface, older than rtnetlink's: brctl(8)'s. linux/if_bridge.h
std::set<std::string> ports_of(const std::string& bridge) {
    std::array<int, 1024> indices{};
    std::array<unsigned long, 4> arguments{
        BRCTL_GET_PORT_LIST, reinterpret_cast<unsigned long>(indices.data()), indices.size(), 0};
    ifreq request = request_for(bridge);
    request.ifr_data = reinterpret_cast<char*>(arguments.data());
    std::set<std::string> names;
    if (!ask(SIOCDEVPRIVATE, request)) return names;
    for (const int index : indices) {
        std::array<char, IFNAMSIZ> name{};
        if (index != 0 && ::if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr) {
            names.insert(name.data());
        }
    }
    return names;
}

std::set<std::string> default_routes() {
    constexpr std::string_view any4 = "00000000";
    const std::string any6(32, '0');
    std::set<std::string> routes;
    for (const auto& words : words_in("/proc/self/net/route")) {
        if (words.size() < 8 || words[1] != any4 || words[7] != any4) continue;
        routes.insert(fmt::format("default via {} dev {}", text_of_hex_v4(words[2]), words[0]));
    }
    if (!std::ifstream{"/proc/self/net/ipv6_route"}) return routes;
    for (const auto& words : words_in("/proc/self/net/ipv6_route")) {
        if (words.size() < 10 || words[0] != any6 || words[1] != "00" || words[9] == "lo") continue;
        routes.insert(fmt::format("default via {} dev {}", text_of_hex_v6(words[4]), words[9]));
    }
    return routes;
}

// proc_pid_net(5), if_inet6: address, index, prefix, scope, flags, device.
bool has_tentative_address(const std::string& address) {
    constexpr unsigned long tentative = 0x40;
    for (const auto& words : words_in("/proc/self/net/if_inet6")) {
        if (words.size() < 6 || text_of_hex_v6(words[0]) != address) continue;
        return (std::stoul(words[4], nullptr, 16) & tentative) != 0;
    }
    return false;
}

namespace {

// proc_pid_net(5), ipv6_route: the destination, and ninth of ten words the flags: RTF_LOCAL.
bool has_local_route(const std::string& address) {
    constexpr unsigned long local = 0x80000000;
    for (const auto& words : words_in("/proc/self/net/ipv6_route")) {
        if (words.size() < 10 || text_of_hex_v6(words[0]) != address) continue;
        if ((std::stoul(words[8], nullptr, 16) & local) != 0) return true;
    }
    return false;
}

}  // namespace

bool gets_local_route(const std::string& address) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds{3} * time_factor();
    while (!has_local_route(address)) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::sched_yield();
    }
    return true;
}

void make_plain_bridge(const std::string& name) {
    const UniqueFd socket = make_socket(AF_INET, SOCK_DGRAM);
    check(::ioctl(socket.ref().number(), SIOCBRADDBR, name.c_str()), "ioctl SIOCBRADDBR", name);
}

LinkWatcher::LinkWatcher() {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    socket_ = UniqueFd{static_cast<int>(check(fd, "socket", "netlink"))};
    sockaddr_nl address{.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    check(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind", "netlink");
}

// An announcement is in our queue before the call that caused it returns: nothing to wait for.
std::set<std::string> LinkWatcher::names_seen() const {
    std::set<std::string> names;
    alignas(nlmsghdr) std::array<char, 65536> buffer{};
    while (true) {
        auto left = static_cast<long>(
            ::recv(socket_.ref().number(), buffer.data(), buffer.size(), MSG_DONTWAIT));
        if (left <= 0) return names;
        auto* message = reinterpret_cast<nlmsghdr*>(buffer.data());
        for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_type != RTM_NEWLINK) continue;
            auto size = static_cast<long>(IFLA_PAYLOAD(message));
            auto* attribute = IFLA_RTA(static_cast<ifinfomsg*>(NLMSG_DATA(message)));
            for (; RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size)) {
                if (attribute->rta_type != IFLA_IFNAME) continue;
                names.insert(static_cast<const char*>(RTA_DATA(attribute)));
            }
        }
    }
}

// ---- packets --------------------------------------------------------------------------------

namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& text) {
    SocketAddress address;
    const bool v6 = text.find(':') != std::string::npos;
    if (v6) {
        sockaddr_in6 in{.sin6_family = AF_INET6};
        ::inet_pton(AF_INET6, text.c_str(), &in.sin6_addr);
        std::memcpy(&address.storage, &in, sizeof in);
        address.size = sizeof in;
    } else {
        sockaddr_in in{.sin_family = AF_INET};
        ::inet_pton(AF_INET, text.c_str(), &in.sin_addr);
        std::memcpy(&address.storage, &in, sizeof in);
        address.size = sizeof in;
    }
    return address;
}

void wait_for(FdRef socket, short event, const std::string& what) {
    pollfd watched{socket.number(), event, 0};
    const int seconds = 3 * static_cast<int>(time_factor());
    if (check(::poll(&watched, 1, 1000 * seconds), "poll") == 0) {
        throw std::runtime_error(fmt::format("{} did not happen within {} s", what, seconds));
    }
}

void send_word(FdRef socket, const std::string& word) {
    check(::send(socket.number(), word.data(), word.size(), MSG_NOSIGNAL), "send");
}

void expect_word(FdRef socket, const std::string& word, const std::string& what) {
    wait_for(socket, POLLIN, what);
    std::string got(word.size(), '\0');
    check(::recv(socket.number(), got.data(), got.size(), 0), "recv", what);
    if (got != word) throw std::runtime_error(fmt::format("{} brought another word", what));
}

void connect_within_time(FdRef socket, SocketAddress& address) {
    if (::connect(socket.number(), address.get(), address.size) == 0) return;
    wait_for(socket, POLLOUT, "the connection");
    int error = 0;
    socklen_t size = sizeof error;
    check(::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt");
    if (error != 0) throw SysError(error, "connect");
}

// A socket at `address`, and the port that the kernel chose written into it.
UniqueFd bound_socket(SocketAddress& address, int type) {
    UniqueFd socket = make_socket(address.storage.ss_family, type);
    check(::bind(socket.ref().number(), address.get(), address.size), "bind", "at the far end");
    check(::getsockname(socket.ref().number(), address.get(), &address.size), "getsockname");
    return socket;
}

UniqueFd accept_within_time(FdRef listener) {
    wait_for(listener, POLLIN, "accept");
    const int fd = ::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC);
    return UniqueFd{static_cast<int>(check(fd, "accept4"))};
}

// The far end learns by the first datagram to whom it answers.
void answer_first(FdRef socket, const std::string& word) {
    wait_for(socket, POLLIN, "the datagram");
    SocketAddress from;
    from.size = sizeof from.storage;
    std::string got(word.size(), '\0');
    check(::recvfrom(socket.number(), got.data(), got.size(), 0, from.get(), &from.size), "recv");
    check(::sendto(socket.number(), got.data(), got.size(), 0, from.get(), from.size), "sendto");
}

void exchange_words(Transport transport, const TestNetns& from, const TestNetns& to,
                    SocketAddress address) {
    const std::string word = random_name(16);
    const int type = transport == Transport::Tcp ? SOCK_STREAM : SOCK_DGRAM;
    const UniqueFd far = to.run([&] { return bound_socket(address, type); });
    const UniqueFd near = from.run([&] { return make_socket(address.storage.ss_family, type); });
    if (transport == Transport::Udp) {
        connect_within_time(near, address);
        send_word(near, word);
        answer_first(far, word);
    } else {
        check(::listen(far.ref().number(), 1), "listen");
        connect_within_time(near, address);
        const UniqueFd accepted = accept_within_time(far);
        send_word(near, word);
        expect_word(accepted, word, "the way there");
        send_word(accepted, word);
    }
    expect_word(near, word, "the way back");
}

}  // namespace

std::string exchange(Transport transport, const TestNetns& from, const TestNetns& to,
                     const std::string& address) {
    try {
        exchange_words(transport, from, to, socket_address(address));
        return "";
    } catch (const std::exception& error) {
        return fmt::format("{} to {}: {}", transport == Transport::Tcp ? "TCP" : "UDP", address,
                           error.what());
    }
}

bool is_answered_at_once(const std::string& address) {
    SocketAddress far = socket_address(address);
    auto* const in = reinterpret_cast<sockaddr_in*>(&far.storage);
    in->sin_port = htons(9);  // discard: nothing of ours
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    if (::connect(socket.ref().number(), far.get(), far.size) == 0) return true;
    pollfd watched{socket.ref().number(), POLLOUT, 0};
    return check(::poll(&watched, 1, 900), "poll") == 1;
}

std::string joined(const std::set<std::string>& words) {
    return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace tenon::test
