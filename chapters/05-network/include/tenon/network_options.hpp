/// @file
/// The command-line options that chapter 05 adds to those of chapters 01 to 04.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tenon/cgroup_options.hpp"
#include "tenon/container_network.hpp"
#include "tenon/namespace_options.hpp"

namespace tenon {

/// Where it is noted who is connected: gone with a reboot, as everything that it names.
inline constexpr const char* default_network_state = "/run/tenon/network";

/// How a container is connected.
enum class NetworkMode { Unsaid, Bridge, None, Host, Container };

/// What `chNN run` was asked for, as far as chapter 05 is concerned.
struct NetworkOptions {
    NetworkMode mode = NetworkMode::Unsaid;  ///< Unsaid: as chapter 01's options say
    pid_t container = 0;                     ///< Container: whose network is joined
    NetworkSpec network;                     ///< --bridge --subnet --subnet6 --mtu
    std::string said_of_bridge;              ///< one of these that was given; empty: none was
    std::vector<PortMapping> ports;          ///< -p
    std::optional<IpAddress> address;        ///< --ip
    std::optional<IpAddress> address6;       ///< --ip6
    std::string state;                       ///< --network-state; default /run/tenon/network
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it.
void declare_network_options(CLI::App& run, NetworkOptions& options);

/// Which network namespace that takes: a new one, the host's, or another container's, that one with
/// the user namespace that owns it.
/// Call after complete_namespaces().
/// @throws std::invalid_argument  options that exclude each other, or need --network bridge
void apply_network_mode(const NetworkOptions& options, NamespaceOptions& namespaces);

/// run_in_cgroup(), with the container connected while it waits and disconnected when it has ended.
/// @throws what NetworkState::connect() and run_in_cgroup() throw
int run_in_network(const NetworkOptions& options, const NamespaceOptions& namespaces,
                   const CgroupOptions& cgroup, const ChildMain& child_main);

/// Child side, before the root changes: loopback up, in a network namespace of its own.
void bring_up_own_loopback(const NetworkOptions& network, const NamespaceOptions& namespaces);

}  // namespace tenon
