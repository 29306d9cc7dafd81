// What is given: the socket, and the single steps that the exercises stand on.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <stdexcept>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "network_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/hints.hpp"
#include "tenon/links.hpp"
#include "tenon/trace.hpp"

namespace tenon::test {

namespace {

// A namespace with a bridge, br0, which is up and has 10.87.0.1/16.
struct Net {
    TestNetns netns;
    Netlink netlink = netns.run([] { return Netlink::open(); });
    int bridge = 0;

    Net() {
        netns.run([] { make_plain_bridge("br0"); });
        bridge = index_of_link(netlink, "br0");
        set_link_up(netlink, bridge);
        add_address(netlink, bridge, IpPrefix::parse("10.87.0.1/16"));
    }
};

bool has_text(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// What `body` comes to where no capability over the network is left: in a user namespace of its
// own.
std::string refusal_without_privilege(const std::function<void()>& body) {
    return run_forked([&] {
               check(::unshare(CLONE_NEWUSER), "unshare", "CLONE_NEWUSER");
               try {
                   body();
                   say("accepted");
               } catch (const SysError& error) {
                   say(with_advice(error));
               }
               return 0;
           })
        .out;
}

}  // namespace

TEST_CASE("a device's name is one for the kernel, for sysctl and for nft") {
    for (const char* name : {"tenon0", "eth0", "a", "br-1.2_x", "exactly15bytes_"}) {
        CAPTURE(name);
        CHECK_NOTHROW(check_link_name(name));
    }
    for (const char* name : {"", "sixteen_bytes_xx", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\n",
                             "veth%d", "all", "default", "-x", "a\"b", "a;b", "ü", "a*", "a@b"}) {
        CAPTURE(name);
        CHECK_THROWS_AS(check_link_name(name), std::invalid_argument);
    }
    CHECK_THROWS_WITH(check_link_name("sixteen_bytes_xx"), Catch::Matchers::Contains("15 bytes"));
}

TEST_CASE("mac_for gives every address of a network a MAC address of its own") {
    CHECK(mac_text(mac_for(IpAddress::parse("10.87.0.2"))) == "02:42:0a:57:00:02");
    CHECK(mac_text(mac_for(IpAddress::parse("fd00::1:2"))) == "02:42:00:01:00:02");
}

TEST_CASE("links, addresses and routes read as the kernel has them") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    add_address(net.netlink, net.bridge, IpPrefix::parse("fd00:87::1/64"));
    add_default_route(net.netlink, net.bridge, IpAddress::parse("10.87.0.9"));
    const std::optional<Link> link = find_link(net.netlink, "br0");
    REQUIRE(link);
    net.netns.run([&] {
        const DeviceView view = device("br0");
        CHECK(link->index == view.index);
        CHECK(link->kind == "bridge");
        CHECK(link->up);
        CHECK(link->mtu == view.mtu);
        CHECK(link->master == 0);
        CHECK(mac_text(link->mac) == view.mac);
        CHECK(default_routes() == std::set<std::string>{"default via 10.87.0.9 dev br0"});
    });
    std::set<std::string> addresses;
    for (const IpPrefix& prefix : addresses_of(net.netlink, net.bridge)) {
        if (prefix.address.bytes[0] != 0xfe) addresses.insert(prefix.text());
    }
    CHECK(joined(addresses) == "10.87.0.1/16, fd00:87::1/64");
    std::map<std::string, std::string> routes;
    for (const Route& route : list_routes(net.netlink)) {
        routes[route.destination.text()] = route.device;
    }
    CHECK(routes["10.87.0.0/16"] == "br0");
    CHECK(routes["0.0.0.0/0"] == "br0");
    CHECK(routes["fd00:87::/64"] == "br0");
    CHECK(routes.count("127.0.0.0/8") == 0);
    CHECK(list_links(net.netlink).size() == net.netns.run([] { return device_names().size(); }));
}

TEST_CASE("what is there already, or gone already, is no error") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    const IpPrefix address = IpPrefix::parse("10.87.0.1/16");
    CHECK_NOTHROW(add_address(net.netlink, net.bridge, address));
    CHECK_NOTHROW(add_address(net.netlink, net.bridge, address));
    delete_link(net.netlink, "br0");
    CHECK_NOTHROW(delete_link(net.netlink, "br0"));
    CHECK_FALSE(find_link(net.netlink, "br0"));
    CHECK_FALSE(net.netns.run([] { return view_device("br0"); }));
}

TEST_CASE("an IPv6 address waits for nobody's answer", "[uses-01.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    add_address(net.netlink, net.bridge, IpPrefix::parse("fd00:87::1/64"));
    CHECK_FALSE(net.netns.run([] { return has_tentative_address("fd00:87::1"); }));
    net.netns.run([] { bring_up_loopback(); });  // the way to an address of one's own
    CHECK(net.netns.run([] { return gets_local_route("fd00:87::1"); }));
    CHECK(exchange(Transport::Udp, net.netns, net.netns, "fd00:87::1") == "");
}

TEST_CASE("bring_up_loopback makes 127.0.0.1 reachable") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns netns;
    CHECK_FALSE(netns.run([] { return device("lo").up; }));
    netns.run([] { bring_up_loopback(); });
    CHECK(netns.run([] { return device("lo").up; }));
    CHECK(exchange(Transport::Tcp, netns, netns, "127.0.0.1").empty());
}

TEST_CASE("a refusal ends with the kernel's own sentence") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    const auto route = [&](const char* gateway) {
        return refusal(
            [&] { add_default_route(net.netlink, net.bridge, IpAddress::parse(gateway)); });
    };
    CHECK(route("192.0.2.1") ==
          "add route default via 192.0.2.1 (Nexthop has invalid gateway): ENETUNREACH");
    CHECK(route("10.87.0.9") == "accepted");
    CHECK(has_text(route("10.87.0.8"), "EEXIST"));
}

TEST_CASE("a refusal says what was tried, on what, and what to do") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    const IpPrefix address = IpPrefix::parse("10.1.0.1/24");
    CHECK(has_text(refusal([&] { set_link_up(net.netlink, 99999); }), "set link up device 99999"));
    const std::string gone = refusal([&] { add_address(net.netlink, 99999, address); });
    CHECK(gone.starts_with("add address 10.1.0.1/24"));
    CHECK(gone.ends_with(": ENODEV"));
    CHECK(refusal([&] { index_of_link(net.netlink, "eth7"); }) == "find link eth7: ENODEV");
    CHECK_FALSE(hint_for(SysError(ENODEV, "find link", "eth7")).empty());
    CHECK(has_text(refusal([&] { delete_link(net.netlink, "lo"); }), "delete link lo"));
}

TEST_CASE("without CAP_NET_ADMIN the user hears of --network none") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    // The socket is made in there, too: the kernel asks its maker and its user.
    const auto told = [&](const std::function<void(const Netlink&)>& body) {
        return net.netns.run(
            [&] { return refusal_without_privilege([&] { body(Netlink::open()); }); });
    };
    for (const std::string& text :
         {told([&](const Netlink& netlink) { set_link_up(netlink, net.bridge); }),
          told([&](const Netlink& netlink) { delete_link(netlink, "br0"); }),
          told([&](const Netlink& netlink) {
              add_address(netlink, net.bridge, IpPrefix::parse("10.1.0.1/24"));
          }),
          told([&](const Netlink& netlink) {
              add_default_route(netlink, net.bridge, IpAddress::parse("10.87.0.9"));
          })}) {
        CHECK(has_text(text, "EPERM"));
        CHECK(has_text(text, "--network none"));
    }
}

TEST_CASE("after a refusal the socket goes on as if nothing had been") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    for (int i = 0; i < 20; ++i) {
        CHECK(refusal([&] { set_link_up(net.netlink, 99999); }) != "accepted");
        CHECK(find_link(net.netlink, "br0"));
    }
}

TEST_CASE("open_in speaks to the other namespace, and the process is where it was") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Net net;
    const auto before = namespace_inode("self", "net");
    const Netlink there = Netlink::open_in(net.netns.fd());
    CHECK(namespace_inode("self", "net") == before);
    CHECK(find_link(there, "br0"));
    CHECK_FALSE(find_link(Netlink::open(), "br0"));
}

TEST_CASE("open_in leaves the process where it was when something is refused") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const auto before = namespace_inode("self", "net");
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const UniqueFd no_namespace{file};
    CHECK(refusal([&] { Netlink::open_in(no_namespace); }) == "setns network namespace: EINVAL");
    CHECK(namespace_inode("self", "net") == before);

    // There is one descriptor left for the way back, and none for a socket.
    const TestNetns netns;
    const Forked forked = run_forked([&] {
        const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(next);
        const rlimit limit{static_cast<rlim_t>(next) + 1, static_cast<rlim_t>(next) + 1};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        const std::string said = refusal([&] { Netlink::open_in(netns.fd()); });
        say(said + (namespace_inode("self", "net") == before ? ", at home" : ", elsewhere"));
        return 0;
    });
    CHECK(forked.out == "socket netlink: EMFILE, at home");
}

TEST_CASE("a netlink request is told in the story of a launch") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns netns;
    const Forked forked = run_forked([&] {
        trace::enable(FdRef{STDOUT_FILENO}, {});
        netns.run([] { make_plain_bridge("br0"); });
        const Netlink netlink = Netlink::open_in(netns.fd());
        const int bridge = index_of_link(netlink, "br0");
        add_address(netlink, bridge, IpPrefix::parse("10.87.0.1/16"));
        refusal([&] { add_default_route(netlink, bridge, IpAddress::parse("192.0.2.1")); });
        trace::flush();
        return 0;
    });
    INFO(forked.out);
    CHECK(has_text(forked.out, "RTM_GETLINK(find link br0) = 0"));
    CHECK(has_text(forked.out, "RTM_NEWADDR(add address 10.87.0.1/16) = 0"));
    CHECK(has_text(forked.out, "RTM_NEWROUTE(add route default via 192.0.2.1) = ENETUNREACH"));
}

}  // namespace tenon::test
