// Declarations, one per option, with the parser of its value and where it goes.
#include "tenon/network_options.hpp"

#include <fmt/format.h>

#include <charconv>
#include <stdexcept>

#include "tenon/option_group.hpp"

namespace tenon {

namespace {

std::uint64_t number_in(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || value == 0 || value > 0x7fffffff) {
        throw std::invalid_argument(fmt::format("'{}' is no number above 0", text));
    }
    return value;
}

void take_mode(const std::string& text, NetworkOptions& options) {
    constexpr std::string_view container = "container:";
    if (text == "bridge") {
        options.mode = NetworkMode::Bridge;
    } else if (text == "none") {
        options.mode = NetworkMode::None;
    } else if (text == "host") {
        options.mode = NetworkMode::Host;
    } else if (text.starts_with(container)) {
        options.mode = NetworkMode::Container;
        options.container = static_cast<pid_t>(number_in(text.substr(container.size())));
    } else {
        throw std::invalid_argument(
            fmt::format("no network '{}': there are bridge, none, host and container:PID", text));
    }
}

void take_bridge(const std::string& text, NetworkSpec& network) {
    check_link_name(text);
    network.bridge = text;
}

void declare_bridge(OptionGroup& group, NetworkOptions& options) {
    NetworkSpec& network = options.network;
    const auto value = [&](const char* name, const char* type, const char* help,
                           const TakeValue& take) {
        group.value(name, type, help, [&options, name, take](const std::string& text) {
            options.said_of_bridge = name;
            take(text);
        });
    };
    value("--bridge", "NAME", "the bridge to be plugged into, made where missing (tenon0)",
          [&network](const std::string& text) { take_bridge(text, network); });
    value("--subnet", "PREFIX", "its IPv4 network (10.87.0.0/16)",
          [&network](const std::string& text) { network.subnet = Subnet::parse(text); });
    value("--subnet6", "PREFIX", "its IPv6 network, for example fd87::/64 (none)",
          [&network](const std::string& text) { network.subnet6 = Subnet::parse(text); });
    value("--mtu", "BYTES", "largest packet (1500)", [&network](const std::string& text) {
        network.mtu = static_cast<unsigned>(number_in(text));
    });
}

void declare_endpoint(OptionGroup& group, NetworkOptions& options) {
    group.value("--ip", "ADDRESS", "the container's IPv4 address (the next free one)",
                [&options](const std::string& text) { options.address = IpAddress::parse(text); });
    group.value("--ip6", "ADDRESS", "the same for IPv6",
                [&options](const std::string& text) { options.address6 = IpAddress::parse(text); });
    group.values(
        "-p,--publish", "MAPPING",
        "[hostip:]hostport:containerport[/udp]; on 127.0.0.1 unless an address is given, "
        "0.0.0.0: on all",
        [&options](const std::string& text) { options.ports.push_back(PortMapping::parse(text)); });
}

void refuse_network_by_path(const NamespaceOptions& namespaces) {
    for (const NamespacePath& joined : namespaces.join_paths) {
        if (joined.kind != Namespace::Net) continue;
        throw std::invalid_argument(
            fmt::format("the config joins the network {}: leave out --network, or take the path "
                        "out of the config",
                        joined.path));
    }
}

NamespaceSet without(Namespace unwanted, const NamespaceSet& kinds) {
    NamespaceSet others;
    for (const Namespace kind : kinds) {
        if (kind != unwanted) others.insert(kind);
    }
    return others;
}

bool joins_net(const NamespaceOptions& namespaces) {
    if (joined_kinds(namespaces).contains(Namespace::Net)) return true;
    return namespaces.join_pid && namespaces.join_kinds.empty();
}

void refuse_without_bridge(const NetworkOptions& options) {
    if (options.mode == NetworkMode::Bridge) return;
    if (!options.ports.empty()) {
        throw std::invalid_argument(
            options.mode == NetworkMode::Container
                ? "-p belongs to the container whose network is joined: publish there"
                : "-p needs a network of the container's own: add --network bridge");
    }
    if (options.address || options.address6) {
        throw std::invalid_argument("--ip and --ip6 need --network bridge");
    }
    if (!options.said_of_bridge.empty()) {
        throw std::invalid_argument(
            fmt::format("{} needs --network bridge", options.said_of_bridge));
    }
}

// With the user namespace that owns the network, or nobody in the new container would have a right
// over it, and its /sys could not be mounted.
void join_network_of(pid_t container, NamespaceOptions& namespaces) {
    if (namespaces.join_pid && *namespaces.join_pid != container) {
        throw std::invalid_argument(fmt::format("--network container:{} and --join {}: one of them",
                                                container, *namespaces.join_pid));
    }
    const bool joins_all = namespaces.join_pid && namespaces.join_kinds.empty();
    namespaces.join_pid = container;
    if (joins_all) return;
    for (const Namespace kind : {Namespace::User, Namespace::Net}) {
        if (!namespaces.join_kinds.contains(kind)) namespaces.join_kinds.insert(kind);
        namespaces.create = without(kind, namespaces.create);
    }
}

}  // namespace

void declare_network_options(CLI::App& run, NetworkOptions& options) {
    OptionGroup group{run, "Network"};
    group.value("--network", "KIND", "bridge, none, host, or container:PID",
                [&options](const std::string& text) { take_mode(text, options); });
    declare_endpoint(group, options);
    declare_bridge(group, options);
    options.state = default_network_state;
    group.value("--network-state", "DIR", "where is noted who is connected (/run/tenon/network)",
                options.state);
}

void apply_network_mode(const NetworkOptions& options, NamespaceOptions& namespaces) {
    refuse_without_bridge(options);
    if (options.mode == NetworkMode::Unsaid) return;
    refuse_network_by_path(namespaces);
    if (options.mode != NetworkMode::Container && joins_net(namespaces)) {
        throw std::invalid_argument(
            "--join takes the network of that process: leave out --network,"
            " or name the kinds to join");
    }
    namespaces.create = without(Namespace::Net, namespaces.create);
    if (options.mode == NetworkMode::Container)
        return join_network_of(options.container, namespaces);
    if (options.mode != NetworkMode::Host) namespaces.create.insert(Namespace::Net);
}

void bring_up_own_loopback(const NetworkOptions& network, const NamespaceOptions& namespaces) {
    // A container on a bridge has it up already.
    if (network.mode == NetworkMode::Bridge || !namespaces.create.contains(Namespace::Net)) return;
    bring_up_loopback();
}

}  // namespace tenon
