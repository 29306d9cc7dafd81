// 05.2, too: what makes a device in a container a place in a network; and that packets really pass.
#include <fmt/format.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "forked.hpp"
#include "network_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/links.hpp"

namespace tenon::test {

namespace {

// A host whose bridge br0 is 10.87.0.1 and fd00:87::1, made without the code of 05.1.
struct Host {
    TestNetns netns;
    Netlink netlink = netns.run([] { return Netlink::open(); });
    int bridge = 0;

    Host() {
        netns.run([] { make_plain_bridge("br0"); });
        bridge = index_of_link(netlink, "br0");
        for (const char* address : {"10.87.0.1/16", "fd00:87::1/64"}) {
            add_address(netlink, bridge, IpPrefix::parse(address));
        }
        set_link_up(netlink, bridge);
    }
};

// A container number N: 10.87.0.N and fd00:87::N.
class Container {
  public:
    Container(const Host& host, unsigned number) : host_(host.netlink), number_(number) {
        make_veth(host.netlink, netns_.fd(),
                  {.host_name = fmt::format("veth{}", number), .mac = mac_for(address4())},
                  host.bridge);
    }
    [[nodiscard]] IpAddress address4() const {
        return IpAddress::parse(fmt::format("10.87.0.{}", number_));
    }
    [[nodiscard]] IpAddress address6() const {
        return IpAddress::parse(fmt::format("fd00:87::{:x}", number_));
    }
    // What configure_endpoint is refused; "accepted" when it is not.
    // As a launch does it: then it waits for the bridge.
    [[nodiscard]] std::string configure() const {
        const std::string refused = configure_only();
        if (refused == "accepted") {
            refusal([&] { wait_until_forwarding(host_, fmt::format("veth{}", number_)); });
        }
        return refused;
    }
    void expect_configured() const {
        const std::string refused = configure();
        TENON_EXPECT(refused == "accepted", "the container's end is configured", refused);
    }
    [[nodiscard]] std::string configure_only() const {
        step(
            fmt::format("configure_endpoint(inside, \"eth0\", {{{}/16, {}/64; by 10.87.0.1, "
                        "fd00:87::1}})",
                        address4().text(), address6().text()));
        return refusal([&] {
            configure_endpoint(Netlink::open_in(netns_.fd()), "eth0",
                               {{{address4(), 16}, {address6(), 64}},
                                {IpAddress::parse("10.87.0.1"), IpAddress::parse("fd00:87::1")}});
        });
    }
    [[nodiscard]] DeviceView device_called(const std::string& name) const {
        return netns_.run([&] { return device(name); });
    }
    [[nodiscard]] const TestNetns& netns() const { return netns_; }

  private:
    TestNetns netns_;
    const Netlink& host_;
    unsigned number_;
};

void expect_exchange(Transport transport, const TestNetns& from, const TestNetns& to,
                     const IpAddress& address) {
    const std::string problem = exchange(transport, from, to, address.text());
    step(fmt::format("a word to {} and back: {}", address.text(),
                     problem.empty() ? "it came back" : problem));
    fact("no_packets", !problem.empty());
    TENON_EXPECT(problem.empty(), "the word comes back", problem);
}

}  // namespace

TEST_CASE("configure_endpoint brings the loopback up", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    const std::string refused = container.configure();
    const bool up = container.device_called("lo").up;
    fact("lo_down", refused == "accepted" && !up);
    TENON_EXPECT(up, "lo is up in the container", "it is down: nothing reaches 127.0.0.1");
}

TEST_CASE("configure_endpoint gives the device its addresses and brings it up", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    const std::string refused = container.configure();
    const DeviceView view = container.device_called("eth0");
    const std::set<std::string> wanted{"10.87.0.2/16", "fd00:87::2/64"};
    fact("no_addresses", refused == "accepted" && view.addresses.empty());
    fact("endpoint_down", refused == "accepted" && !view.up);
    TENON_EXPECT(view.addresses == wanted, joined(wanted), joined(view.addresses));
    TENON_EXPECT(view.up, "eth0 is up", "it is down");
}

TEST_CASE("configure_endpoint makes a default route for each family", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    const std::string refused = container.configure();
    const auto got = container.netns().run([] { return default_routes(); });
    const std::set<std::string> wanted{"default via 10.87.0.1 dev eth0",
                                       "default via fd00:87::1 dev eth0"};
    fact("route_refused", refused.starts_with("add route"));
    fact("no_default_route", refused == "accepted" && got.empty());
    fact("one_family_only", refused == "accepted" && got.size() == 1);
    TENON_EXPECT(refused == "accepted", "the kernel takes each step", refused);
    TENON_EXPECT(got == wanted, joined(wanted), joined(got));
}

TEST_CASE("configure_endpoint says which device is not there", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns netns;
    const std::string got =
        refusal([&] { configure_endpoint(Netlink::open_in(netns.fd()), "eth0", {}); });
    TENON_EXPECT(got == "find link eth0: ENODEV", "find link eth0: ENODEV", got);
}

TEST_CASE("configure_endpoint without addresses brings the devices up", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    configure_endpoint(Netlink::open_in(container.netns().fd()), "eth0", {});
    const DeviceView view = container.device_called("eth0");
    TENON_EXPECT(view.up && view.addresses.empty(), "eth0 is up, without addresses",
                 joined(view.addresses));
    TENON_EXPECT(container.device_called("lo").up, "lo is up", "it is down");
}

TEST_CASE("a container reaches the host at the gateway's address", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    container.expect_configured();
    for (const char* gateway : {"10.87.0.1", "fd00:87::1"}) {
        expect_exchange(Transport::Tcp, container.netns(), host.netns, IpAddress::parse(gateway));
    }
}

TEST_CASE("the host reaches a container at its address", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    container.expect_configured();
    expect_exchange(Transport::Tcp, host.netns, container.netns(), container.address4());
    expect_exchange(Transport::Udp, host.netns, container.netns(), container.address6());
}

TEST_CASE("after wait_until_forwarding the first frame of a container is not lost", "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    for (unsigned number = 2; number < 8; ++number) {
        const Container container(host, number);
        CHECK_FALSE(find_link(host.netlink, fmt::format("veth{}", number))->carrier);
        REQUIRE(container.configure_only() == "accepted");
        wait_until_forwarding(host.netlink, fmt::format("veth{}", number));
        CHECK(find_link(host.netlink, fmt::format("veth{}", number))->carrier);
        CHECK(find_link(host.netlink, fmt::format("veth{}", number))->forwarding);
        CHECK(container.netns().run([] { return is_answered_at_once("10.87.0.1"); }));
    }
}

TEST_CASE("wait_until_forwarding hears of an end that comes up later", "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    const Forked forked = run_forked([&] {
        const pid_t other = ::fork();
        if (other == 0) ::_exit(container.configure_only() == "accepted" ? 0 : 1);
        wait_until_forwarding(host.netlink, "veth2");
        int status = 1;
        ::waitpid(other, &status, 0);
        return status;
    });
    CHECK(forked.status.success());
    CHECK(find_link(host.netlink, "veth2")->forwarding);
}

TEST_CASE("wait_until_forwarding says that there is no such port") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    CHECK(refusal([&] { wait_until_forwarding(host.netlink, "veth9"); }) ==
          "find link veth9: ENODEV");
}

TEST_CASE("two containers on one bridge reach each other", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container one(host, 2);
    const Container other(host, 3);
    one.expect_configured();
    other.expect_configured();
    for (const Transport transport : {Transport::Tcp, Transport::Udp}) {
        expect_exchange(transport, one.netns(), other.netns(), other.address4());
        expect_exchange(transport, other.netns(), one.netns(), one.address6());
    }
}

TEST_CASE("a container reaches itself, by 127.0.0.1 and by its address", "[05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container container(host, 2);
    container.expect_configured();
    expect_exchange(Transport::Tcp, container.netns(), container.netns(),
                    IpAddress::parse("127.0.0.1"));
    expect_exchange(Transport::Tcp, container.netns(), container.netns(), container.address4());
}

TEST_CASE("the next owner of an address is reached though its neighbours knew the last one",
          "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const Container neighbour(host, 3);
    neighbour.expect_configured();
    for (int owner = 0; owner < 2; ++owner) {
        const Container container(host, 2);
        container.expect_configured();
        expect_exchange(Transport::Tcp, neighbour.netns(), container.netns(), container.address4());
        delete_link(host.netlink, "veth2");
    }
}

TEST_CASE("twelve containers on one bridge all reach each other", "[uses-05.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    std::vector<std::unique_ptr<Container>> containers;
    for (unsigned number = 2; number < 14; ++number) {
        containers.push_back(std::make_unique<Container>(host, number));
        REQUIRE(containers.back()->configure() == "accepted");
    }
    for (const auto& from : containers) {
        for (const auto& to : containers) {
            const std::string address = to->address4().text();
            CHECK(exchange(Transport::Udp, from->netns(), to->netns(), address).empty());
        }
    }
}

}  // namespace tenon::test
