/// @file
/// Chapter 05, the contract: devices, addresses and routes, by rtnetlink.
///
/// A Netlink is a socket to one network namespace's kernel. It stays with the namespace it was made
/// in, wherever the process goes afterwards: so one process configures both ends of a cable.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/ip_address.hpp"

struct nlmsghdr;

namespace tenon {

using MacAddress = std::array<std::uint8_t, 6>;
std::string mac_text(const MacAddress& mac);  ///< 02:42:0a:57:00:02
/// 02:42 and the last four bytes of @p address: locally administered, unique in its network, and
/// the same again for the next owner of that address, so that nobody's neighbour table goes stale.
MacAddress mac_for(const IpAddress& address);

/// A network device. @see \man{rtnetlink,7}
struct Link {
    int index = 0;
    std::string name;
    std::string kind;  ///< bridge, veth ..; empty for hardware and loopback
    bool up = false;
    unsigned mtu = 0;
    int master = 0;        ///< index of the bridge it is plugged into, or 0
    bool carrier = false;  ///< its operational state is up: the kernel has heard of the other end
    bool forwarding =
        false;  ///< what a bridge says of its port, which may be older than the carrier
    MacAddress mac{};
};

/// A route of the main table, as far as clashes are concerned.
struct Route {
    IpPrefix destination;
    std::string device;
};

/// A rtnetlink socket. Every refusal is a SysError whose call says what was tried (`add address`),
/// whose subject ends with the kernel's own sentence (NETLINK_EXT_ACK) where it left one.
class Netlink {
  public:
    /// In the caller's network namespace. @throws SysError  socket
    static Netlink open();
    /// The same for netfilter's part of netlink: \man{netlink,7}, NETLINK_NETFILTER.
    static Netlink open_netfilter();
    /// In @p netns, without staying there. @pre single-threaded; CAP_SYS_ADMIN in both
    /// @throws SysError  setns: EPERM, EINVAL
    static Netlink open_in(FdRef netns);

    Netlink(const Netlink&) = delete;
    Netlink& operator=(const Netlink&) = delete;
    Netlink(Netlink&&) noexcept;
    Netlink& operator=(Netlink&&) noexcept;
    ~Netlink();

    /// Sends @p message (its sequence number and NLM_F_ACK are added) and waits for the answer.
    /// @param call, subject  for the error: `make bridge`, `tenon0`
    void request(nlmsghdr& message, std::string_view call, std::string_view subject) const;
    using Each = std::function<void(const nlmsghdr&)>;
    /// The same for a question: hands the answers to @p each once all are there. A dump
    /// (NLM_F_DUMP) during which something changed is asked for again.
    void ask(nlmsghdr& message, std::string_view call, std::string_view subject,
             const Each& each) const;

    /// Asks @p is_reached, and again after each change of a device, until it says yes.
    /// @throws SysError  @p call: ETIMEDOUT
    void wait_for_link(const std::function<bool()>& is_reached, std::string_view call,
                       std::string_view subject) const;

  private:
    class Socket;
    explicit Netlink(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

// ---- given: the single steps ---------------------------------------------------------------

std::vector<Link> list_links(const Netlink& netlink);
std::optional<Link> find_link(const Netlink& netlink, const std::string& name);
/// @throws SysError  find link: ENODEV
int index_of_link(const Netlink& netlink, const std::string& name);
/// @throws SysError  set link up: ENODEV, EPERM
void set_link_up(const Netlink& netlink, int index);
/// Returns when frames pass at @p port of a bridge. When a cable's second end comes up, a thread of
/// the kernel tells the bridge, a moment later. A frame sent before that is lost; ARP would try
/// again after a whole second. @throws SysError  wait for port: ETIMEDOUT  find link: ENODEV
void wait_until_forwarding(const Netlink& netlink, const std::string& port);
/// One that is gone already is no error.
void delete_link(const Netlink& netlink, const std::string& name);
/// An address that is there already is no error. IPv6: usable at once (no duplicate detection).
/// @throws SysError  add address: ENODEV, EPERM, EINVAL
void add_address(const Netlink& netlink, int index, const IpPrefix& address);
std::vector<IpPrefix> addresses_of(const Netlink& netlink, int index);
/// @throws SysError  add route: ENETUNREACH (the gateway is on no network of ours)
void add_default_route(const Netlink& netlink, int index, const IpAddress& gateway);
std::vector<Route> list_routes(const Netlink& netlink);
/// The caller's network namespace has a loopback device, which is born down. @throws SysError
void bring_up_loopback();

/// What the kernel takes, without what other programs would read something into (`%d` is a number
/// that the kernel picks, a leading minus an option), and without `all` and `default`, which are
/// switches for every device. @throws std::invalid_argument  empty, longer than 15 bytes, other
/// characters than [A-Za-z0-9_.-]
void check_link_name(std::string_view name);

// ---- the exercises -------------------------------------------------------------------------

/// What a bridge is to be.
struct BridgeSpec {
    std::string name;
    std::vector<IpPrefix> gateways;  ///< the bridge's own addresses
    unsigned mtu = 1500;             ///< bytes
};

/// Exercise 05.1. The bridge @p spec, made where it is missing, with its addresses, up.
/// @return its index
/// @throws SysError  make bridge: EPERM, EEXIST (a device of that name that is no bridge)
int ensure_bridge(const Netlink& host, const BridgeSpec& spec);

/// What a container's cable is to be.
struct VethSpec {
    std::string host_name;  ///< at most 15 bytes
    std::string container_name = "eth0";
    unsigned mtu = 1500;
    MacAddress mac{};  ///< of the container's end
};

/// Exercise 05.2. A veth pair: one end plugged into @p bridge and up, the other born inside @p
/// netns under its own name. It is never visible on the host.
/// @throws SysError  make veth: EEXIST, EPERM, EINVAL
void make_veth(const Netlink& host, FdRef netns, const VethSpec& spec, int bridge);

/// Where the container's end is to stand.
struct EndpointAddresses {
    std::vector<IpPrefix> addresses;
    std::vector<IpAddress> gateways;
};
/// Exercise 05.2, too. Inside the container: loopback up, addresses, up, default routes.
/// @param inside  a socket in the container's network namespace
void configure_endpoint(const Netlink& inside, const std::string& name,
                        const EndpointAddresses& where);

}  // namespace tenon
