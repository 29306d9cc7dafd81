/// @file
/// Chapter 05: a container's place in a network, from the first lease to the last rule.
///
///     STATE/lock                 held while anything below changes
///     STATE/BRIDGE.network       its subnets and mtu
///     STATE/SUBNET.leases        the address pools
///     STATE/endpoints/ID         an endpoint: written before anything is made for it, locked while
///                                its owner lives
///     STATE/host                 the network namespace that all of it is about
///     STATE/forwarding           what the host's switches were before
///
/// Whoever is killed leaves the record and not the lock. The next command finds it and removes what
/// it names: cable, rules, lease; with the last endpoint the bridge, the tables and the switches.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/file_lock.hpp"
#include "tenon/ip_address.hpp"
#include "tenon/links.hpp"
#include "tenon/nat.hpp"

namespace tenon {

/// A network as it is asked for.
struct NetworkSpec {
    std::string bridge = "tenon0";
    Subnet subnet = Subnet::parse("10.87.0.0/16");
    std::optional<Subnet> subnet6;  ///< IPv6 only when asked for: forwarding it changes the host's
                                    ///< own router discovery
    unsigned mtu = 1500;
};

/// A container as the network sees it.
struct EndpointSpec {
    std::string id;  ///< unique in this state folder
    std::vector<PortMapping> ports;
    std::optional<IpAddress> address;  ///< else the pool's choice
    std::optional<IpAddress> address6;
};

/// An endpoint that is connected. Disconnects in its destructor.
class Endpoint {
  public:
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;
    Endpoint(Endpoint&&) noexcept;
    Endpoint& operator=(Endpoint&&) = delete;
    ~Endpoint();

    [[nodiscard]] const std::vector<IpPrefix>& addresses() const;
    [[nodiscard]] const std::string& id() const;
    /// Everything that was made for it goes; with the last one the network. @throws SysError,
    /// std::runtime_error  what could not be removed; the rest is removed all the same
    void disconnect();

  private:
    friend class NetworkState;
    struct Connected;
    explicit Endpoint(std::unique_ptr<Connected> connected);
    std::unique_ptr<Connected> connected_;
};

/// All networks of one host: one state folder per network namespace.
class NetworkState {
  public:
    /// Makes what is missing. @throws SysError  open network state: EACCES, ENOENT
    static NetworkState open(const std::filesystem::path& path);

    /// Connects the container in @p netns. On any error nothing is left.
    /// @throws std::invalid_argument  an id that is taken; a subnet that clashes with a route of
    /// the
    ///         host (names both); a bridge that has other subnets already
    /// @throws std::runtime_error  exhausted pool; a port that is taken (says by whom); nftables
    /// @throws SysError  EPERM: without CAP_NET_ADMIN
    Endpoint connect(const NetworkSpec& network, const EndpointSpec& endpoint, FdRef netns);
    /// Removes what killed processes left. @return their ids
    std::vector<std::string> sweep();
    /// The endpoints there are, by id.
    [[nodiscard]] std::vector<std::string> endpoints() const;

  private:
    explicit NetworkState(UniqueFd directory) : directory_(std::move(directory)) {}
    UniqueFd directory_;
};

}  // namespace tenon
