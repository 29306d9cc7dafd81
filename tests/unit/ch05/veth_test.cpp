// 05.2: a cable, one end on the bridge and one in the container.
#include <fmt/format.h>
#include <sched.h>

#include <cerrno>
#include <stdexcept>

#include "forked.hpp"
#include "network_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/links.hpp"

namespace tenon::test {

namespace {

// A host with a bridge, made without the code of 05.1, and a container's namespace.
struct Host {
    TestNetns netns;
    TestNetns container;
    Netlink netlink = netns.run([] { return Netlink::open(); });
    int bridge = 0;

    Host() {
        netns.run([] { make_plain_bridge("br0"); });
        bridge = index_of_link(netlink, "br0");
        set_link_up(netlink, bridge);
    }
    void plug(const VethSpec& spec) const {
        step(fmt::format("make_veth(host, netns, {{\"{}\", \"{}\", mtu {}, {}}}, br0)",
                         spec.host_name, spec.container_name, spec.mtu, mac_text(spec.mac)));
        make_veth(netlink, container.fd(), spec, bridge);
    }
    [[nodiscard]] DeviceView outside(const std::string& name = "veth7") const {
        return netns.run([&] { return device(name); });
    }
    [[nodiscard]] DeviceView inside(const std::string& name = "eth0") const {
        return container.run([&] { return device(name); });
    }
    [[nodiscard]] std::set<std::string> outside_names() const {
        return netns.run([] { return device_names(); });
    }
};

VethSpec some_cable() {
    return {.host_name = "veth7", .mtu = 1300, .mac = {2, 0x42, 10, 87, 0, 2}};
}

}  // namespace

TEST_CASE("make_veth puts one end into the container, under its own name", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    std::string refused;
    try {
        host.plug(some_cable());
    } catch (const SysError& error) {
        refused = refusal_text(error);
    }
    const auto inside = host.container.run([] { return device_names(); });
    const auto outside = host.outside_names();
    step("devices of the host: " + joined(outside) + "; of the container: " + joined(inside));
    fact("peer_on_host", outside.count("eth0") == 1);
    // Under a name of the kernel's choice: it did not find the one that was given.
    fact("peer_unread", refused.empty() && outside.size() == 4 && outside.count("eth0") == 0);
    TENON_EXPECT(refused.empty(), "make_veth makes a cable", refused);
    TENON_EXPECT(inside == (std::set<std::string>{"eth0", "lo"}), "eth0 and lo in the container",
                 joined(inside));
    TENON_EXPECT(host.inside().driver == "veth", "eth0 is a veth", host.inside().driver);
}

TEST_CASE("make_veth takes the name for the container's end that it is given", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    VethSpec spec = some_cable();
    spec.container_name = "net1";
    host.plug(spec);
    const auto inside = host.container.run([] { return device_names(); });
    TENON_EXPECT(inside.count("net1") == 1, "net1 in the container", joined(inside));
}

TEST_CASE("make_veth plugs the other end into the bridge", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.plug(some_cable());
    const auto ports = host.netns.run([] { return ports_of("br0"); });
    fact("not_plugged", ports.empty());
    TENON_EXPECT(ports == std::set<std::string>{"veth7"}, "veth7 is a port of br0",
                 "ports of br0: " + joined(ports));
}

TEST_CASE("make_veth brings the host's end up", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.plug(some_cable());
    const bool up = host.outside().up;
    fact("host_end_down", !up);
    TENON_EXPECT(up, "veth7 is up", "it is down: nothing comes through");
}

TEST_CASE("make_veth sets the MTU of both ends", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.plug(some_cable());
    const unsigned outside = host.outside().mtu;
    const unsigned inside = host.inside().mtu;
    fact("mtu_one_end", outside != inside);
    fact("mtu_default", outside == 1500 && inside == 1500);
    TENON_EXPECT(outside == 1300 && inside == 1300, "mtu 1300 at both ends",
                 fmt::format("{} on the host, {} in the container", outside, inside));
}

TEST_CASE("make_veth gives the container's end its MAC address", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.plug(some_cable());
    const std::string inside = host.inside().mac;
    const std::string outside = host.outside().mac;
    const std::string wanted = mac_text(some_cable().mac);
    fact("mac_of_host_end", outside == wanted);
    fact("mac_left_to_chance", inside != wanted && outside != wanted);
    TENON_EXPECT(inside == wanted, wanted, inside);
    TENON_EXPECT(outside != wanted, "the host's end has another one", "it has the same");
}

TEST_CASE("make_veth's container end is never visible on the host", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const LinkWatcher watcher = host.netns.run([] { return LinkWatcher{}; });
    host.plug(some_cable());
    std::set<std::string> seen = watcher.names_seen();
    step("devices that the kernel announced on the host meanwhile: " + joined(seen));
    seen.erase("br0");
    fact("peer_seen_on_host", seen.size() > 1);
    TENON_EXPECT(seen == std::set<std::string>{"veth7"}, "only veth7 was announced", joined(seen));
}

TEST_CASE("make_veth does not mind a device on the host with the container's name", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.netns.run([] { make_plain_bridge("eth0"); });
    step("the host has an eth0 of its own");
    const std::string got = refusal([&] { host.plug(some_cable()); });
    fact("name_taken_on_host", got != "accepted");
    TENON_EXPECT(got == "accepted", "the container gets its eth0", got);
    TENON_EXPECT(host.outside("eth0").driver == "bridge", "and the host keeps its own",
                 "it is gone");
}

TEST_CASE("make_veth makes the whole cable or nothing", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const std::string got = refusal(
        [&] { make_veth(host.netlink, host.container.fd(), some_cable(), host.bridge + 1000); });
    const auto outside = host.outside_names();
    step("there is no bridge of that index: " + got);
    fact("half_a_cable", outside.count("veth7") == 1);
    TENON_EXPECT(got.starts_with("make veth veth7") && got.ends_with(": EINVAL"),
                 "make veth veth7: EINVAL", got);
    TENON_EXPECT(outside.count("veth7") == 0, "no veth7 is left", joined(outside));
}

TEST_CASE("make_veth does not take a name that is taken", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.plug(some_cable());
    VethSpec second = some_cable();
    second.container_name = "eth1";
    const std::string on_host = refusal([&] { host.plug(second); });
    second = some_cable();
    second.host_name = "veth8";
    const std::string in_container = refusal([&] { host.plug(second); });
    fact("took_a_taken_name", on_host == "accepted" || in_container == "accepted");
    TENON_EXPECT(on_host.ends_with(": EEXIST"), "make veth veth7: EEXIST", on_host);
    TENON_EXPECT(in_container.ends_with(": EEXIST"), "make veth veth8: EEXIST", in_container);
    TENON_EXPECT(host.outside_names().count("veth8") == 0, "no veth8 is left", "there is one");
}

TEST_CASE("make_veth makes 64 cables on one bridge", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    constexpr unsigned count = 64;
    for (unsigned i = 0; i < count; ++i) {
        const auto last = static_cast<std::uint8_t>(i);
        make_veth(host.netlink, host.container.fd(),
                  {.host_name = fmt::format("veth{}", i),
                   .container_name = fmt::format("eth{}", i),
                   .mac = {2, 0x42, 10, 87, 1, last}},
                  host.bridge);
    }
    const std::size_t ports = host.netns.run([] { return ports_of("br0").size(); });
    const std::size_t inside = host.container.run([] { return device_names().size(); });
    step(fmt::format("{} ports on br0, {} devices in the container", ports, inside));
    TENON_EXPECT(ports == count && inside == count + 1, "64 ports, 64 devices and lo",
                 fmt::format("{} and {}", ports, inside));
    // More than one buffer of answers: every device is in the list, once.
    std::set<std::string> listed;
    const std::vector<Link> links = list_links(host.netlink);
    for (const Link& link : links) listed.insert(link.name);
    CHECK(listed.size() == links.size());
    CHECK(listed == host.outside_names());
}

TEST_CASE("make_veth's cable is gone when one end is", "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.plug(some_cable());
    delete_link(host.netlink, "veth7");
    CHECK(host.container.run([] { return device_names(); }) == std::set<std::string>{"lo"});
}

TEST_CASE("make_veth makes nothing for a name that the kernel would read otherwise",
          "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    VethSpec spec = some_cable();
    spec.container_name = "eth%d";
    CHECK_THROWS_AS(host.plug(spec), std::invalid_argument);
    spec = some_cable();
    spec.host_name = "sixteen_bytes_xx";
    CHECK_THROWS_AS(host.plug(spec), std::invalid_argument);
    CHECK(host.outside_names() == std::set<std::string>{"br0", "lo"});
}

TEST_CASE("make_veth without CAP_NET_ADMIN says so", "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const std::string got = host.netns.run([&] {
        return run_forked([&] {
                   check(::unshare(CLONE_NEWUSER), "unshare", "CLONE_NEWUSER");
                   say(refusal([&] {
                       make_veth(Netlink::open(), host.container.fd(), some_cable(), host.bridge);
                   }));
                   return 0;
               })
            .out;
    });
    CHECK(got == "make veth veth7: EPERM");
}

}  // namespace tenon::test
