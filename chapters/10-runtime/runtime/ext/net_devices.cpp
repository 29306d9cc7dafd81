#include "net_devices.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "tenon/error.hpp"
#include "tenon/messages.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon::ext {

namespace {

// An address as it was: its header and what of it is kept.
struct Address {
    ifaddrmsg header{};
    std::map<std::uint16_t, std::vector<std::byte>> attributes;
};

struct Device {
    std::string name;
    std::string name_inside;
    int index = 0;
    unsigned flags = 0;  // IFF_UP
    std::vector<Address> addresses;
};

std::string told(const Device& device) {
    return fmt::format("{} -> {} (/linux/netDevices)", device.name, device.name_inside);
}

ifinfomsg find(const RouteSocket& socket, const std::string& name) {
    RouteMessage message{RTM_GETLINK, NLM_F_ACK, ifinfomsg{}};
    message.put(IFLA_IFNAME, name);
    ifinfomsg found{};
    socket.request(message, "find network device", name,
                   [&](const RouteAnswer& each) { found = each.header<ifinfomsg>(); });
    return found;
}

// The kernel moves first and looks at the name then: a device that has lost its way is gone with
// the container's network.
void require_free_name(const RouteSocket& inside, const Device& device) {
    try {
        find(inside, device.name_inside);
    } catch (const SysError& error) {
        if (error.error() == ENODEV) return;
        throw;
    }
    throw SysError(EEXIST, "move network device", told(device));
}

// Not those that the kernel or a router gave it: they come again, where they fit.
bool stays(const ifaddrmsg& header) {
    return (header.ifa_flags & IFA_F_PERMANENT) != 0 && header.ifa_scope == RT_SCOPE_UNIVERSE;
}

Address address_in(const RouteAnswer& answer) {
    Address address{.header = answer.header<ifaddrmsg>()};
    for (const RouteAttribute& each : answer.attributes(sizeof(ifaddrmsg))) {
        const bool kept =
            each.type == IFA_LOCAL || each.type == IFA_ADDRESS || each.type == IFA_BROADCAST;
        if (kept) address.attributes[each.type] = {each.value.begin(), each.value.end()};
    }
    return address;
}

std::vector<Address> addresses_of(const RouteSocket& socket, const Device& device) {
    std::vector<Address> addresses;
    socket.request(RouteMessage{RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}}, "list addresses",
                   device.name, [&](const RouteAnswer& each) {
                       const auto header = each.header<ifaddrmsg>();
                       const bool ours = static_cast<int>(header.ifa_index) == device.index;
                       if (ours && stays(header)) addresses.push_back(address_in(each));
                   });
    return addresses;
}

// By one message, so that it never is there under a name that it should not have.
void move(const RouteSocket& from, const Device& device, FdRef netns) {
    RouteMessage message{
        RTM_NEWLINK, NLM_F_ACK,
        ifinfomsg{.ifi_index = device.index, .ifi_flags = 0, .ifi_change = IFF_UP}};
    message.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.number()));
    message.put(IFLA_IFNAME, device.name_inside);
    from.request(message, "move network device", told(device));
}

// Nobody else can have an IPv6 address that was in use here: it is not looked for again.
void give_back(const RouteSocket& inside, const Address& address, int index,
               const std::string& name) {
    const bool v6 = address.header.ifa_family == AF_INET6;
    ifaddrmsg header = address.header;
    header.ifa_index = static_cast<std::uint32_t>(index);
    header.ifa_flags = static_cast<std::uint8_t>(v6 ? IFA_F_NODAD : 0);
    RouteMessage message{RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, header};
    for (const auto& [type, value] : address.attributes) message.put(type, value);
    inside.request(message, "add address", name);
}

void set_up(const RouteSocket& socket, int index, const std::string& name) {
    const RouteMessage message{
        RTM_NEWLINK, NLM_F_ACK,
        ifinfomsg{.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP}};
    socket.request(message, "set network device up", name);
}

struct Network {
    RouteSocket socket;
    UniqueFd netns;
};

// Where it has come to: its addresses, and frames may pass.
void settle(const Network& network, const Device& device, bool up) {
    const int index = find(network.socket, device.name_inside).ifi_index;
    for (const Address& address : device.addresses) {
        give_back(network.socket, address, index, device.name_inside);
    }
    if (up) set_up(network.socket, index, device.name_inside);
}

// As far as it goes: what is reported is why it had to.
void bring_back(const Network& inside, const Network& host, Device device) {
    try {
        device.index = find(inside.socket, device.name_inside).ifi_index;
        std::swap(device.name, device.name_inside);
        move(inside.socket, device, host.netns);
        settle(host, device, (device.flags & IFF_UP) != 0);
    } catch (const std::exception& error) {
        tell_warning(error.what());
    }
}

UniqueFd netns_of(const std::string& process) {
    return sys::openat(FdRef::working_directory(), "/proc/" + process + "/ns/net", O_RDONLY);
}

Network network_of(const Child& child) {
    UniqueFd netns = netns_of(fmt::format("{}", child.pid()));
    RouteSocket socket = RouteSocket::open_in(netns);
    return {std::move(socket), std::move(netns)};
}

Device look_at(const RouteSocket& host, const std::string& name, const oci::NetDevice& wanted) {
    const ifinfomsg found = find(host, name);
    Device device{name, wanted.name.empty() ? name : wanted.name, found.ifi_index, found.ifi_flags};
    device.addresses = addresses_of(host, device);
    return device;
}

}  // namespace

struct NetDevices::Move {
    Network host;
    Network inside;
    std::vector<Device> moved;
};

// `eth%d` would be a number that the kernel picks.
NetDevices::NetDevices(const oci::Linux& config) : devices_(config.net_devices) {
    for (const auto& [name, device] : devices_) {
        if (name.find('%') == std::string::npos && device.name.find('%') == std::string::npos)
            continue;
        throw std::invalid_argument(fmt::format("/linux/netDevices/{}: a name with %", name));
    }
}

void NetDevices::keep() {
    move_.reset();
}

NetDevices::~NetDevices() {
    if (!move_) return;
    while (!move_->moved.empty()) {
        bring_back(move_->inside, move_->host, move_->moved.back());
        move_->moved.pop_back();
    }
}

void NetDevices::on_child_created(const Child& child) {
    const trace::Step step{10, "move network devices",
                           "from the host's network to the container's"};
    Network host{RouteSocket::open(), netns_of("self")};
    std::vector<Device> devices;
    // All are found before the first one moves.
    for (const auto& [name, wanted] : devices_) {
        devices.push_back(look_at(host.socket, name, wanted));
    }
    // Held by us, the network outlives the container whose launch fails.
    move_ = std::make_unique<Move>(Move{std::move(host), network_of(child), {}});
    for (const Device& device : devices) {
        require_free_name(move_->inside.socket, device);
        move(move_->host.socket, device, move_->inside.netns);
        move_->moved.push_back(device);
        settle(move_->inside, device, true);
    }
}

}  // namespace tenon::ext
