// 05.1: a bridge, whoever made it and however often it is asked for.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "descriptors.hpp"
#include "forked.hpp"
#include "network_view.hpp"
#include "overtaken.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/links.hpp"

namespace tenon::test {

namespace {

const std::set<std::string> gateway_texts{"10.87.0.1/16", "fd00:87::1/64"};

BridgeSpec some_bridge(const std::string& name = "tenon0") {
    return {.name = name,
            .gateways = {IpPrefix::parse("10.87.0.1/16"), IpPrefix::parse("fd00:87::1/64")},
            .mtu = 1300};
}

// A namespace that stands for the host, and what became of one call in it.
struct Host {
    TestNetns netns;
    Netlink netlink = netns.run([] { return Netlink::open(); });

    int ensure(const BridgeSpec& spec = some_bridge()) const {
        step(fmt::format("ensure_bridge(host, {{\"{}\", {} addresses, mtu {}}})", spec.name,
                         spec.gateways.size(), spec.mtu));
        return ensure_bridge(netlink, spec);
    }
    [[nodiscard]] DeviceView view(const std::string& name = "tenon0") const {
        return netns.run([&] { return device(name); });
    }
};

// How many of @p processes that begin at one moment get a bridge.
int count_successes(const Host& host, const std::string& name, int processes) {
    const Ends gate = make_test_pipe();
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
        const pid_t pid = ::fork();
        if (pid != 0) {
            children.push_back(pid);
            continue;
        }
        detail::run_body([&] {
            const Netlink own = Netlink::open_in(host.netns.fd());
            char byte = 0;
            ::close(gate.second.ref().number());
            [[maybe_unused]] const long end = ::read(gate.first.ref().number(), &byte, 1);
            return ensure_bridge(own, some_bridge(name)) > 0 ? 0 : 1;
        });
    }
    ::close(const_cast<Ends&>(gate).second.release());
    int successes = 0;
    for (const pid_t pid : children) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ++successes;
    }
    return successes;
}

}  // namespace

TEST_CASE("ensure_bridge makes a bridge of that name", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const int index = host.ensure();
    const DeviceView view = host.view();
    TENON_EXPECT(view.driver == "bridge", "a device of kind bridge", "kind " + view.driver);
    TENON_EXPECT(index == view.index, fmt::format("its index, {}", view.index),
                 fmt::format("{}", index));
}

TEST_CASE("ensure_bridge brings the bridge up", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.ensure();
    const bool up = host.view().up;
    fact("bridge_down", !up);
    TENON_EXPECT(up, "the bridge is up", "it is down");
}

TEST_CASE("ensure_bridge gives the bridge its addresses", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.ensure();
    const std::set<std::string> got = host.view().addresses;
    fact("no_addresses", got.empty());
    fact("one_address_only", got.size() == 1);
    TENON_EXPECT(got == gateway_texts, joined(gateway_texts), joined(got));
}

TEST_CASE("ensure_bridge sets the bridge's MTU", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.ensure();
    const unsigned mtu = host.view().mtu;
    fact("mtu_default", mtu == 1500);
    TENON_EXPECT(mtu == 1300, "mtu 1300", fmt::format("mtu {}", mtu));
}

TEST_CASE("ensure_bridge gives the bridge a MAC address that stays", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.ensure();
    const std::string mac = host.view().mac;
    const std::string wanted = mac_text(mac_for(IpAddress::parse("10.87.0.1")));
    fact("mac_left_to_chance", mac != wanted);
    TENON_EXPECT(mac == wanted, "the one of mac_of_bridge, " + wanted, mac);
}

TEST_CASE("ensure_bridge uses the bridge that is there", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const int first = host.ensure();
    std::string refused;
    int second = 0;
    try {
        second = host.ensure();
    } catch (const SysError& error) {
        refused = refusal_text(error);
    }
    fact("second_refused", !refused.empty());
    fact("made_again", refused.empty() && first != second);
    TENON_EXPECT(refused.empty(), "the second call finds what the first one made", refused);
    TENON_EXPECT(first == second, "the same bridge", "another one");
    TENON_EXPECT(host.view().addresses == gateway_texts, "with the same addresses",
                 joined(host.view().addresses));
}

TEST_CASE("ensure_bridge completes a bridge that somebody left half done", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    host.netns.run([] { make_plain_bridge("tenon0"); });
    step("a bridge tenon0 is there: down, without addresses");
    host.ensure();
    const DeviceView view = host.view();
    fact("found_is_done", !view.up && view.addresses.empty());
    TENON_EXPECT(view.addresses == gateway_texts, joined(gateway_texts), joined(view.addresses));
    TENON_EXPECT(view.up && view.mtu == 1300, "up, mtu 1300",
                 fmt::format("{}, mtu {}", view.up ? "up" : "down", view.mtu));
}

TEST_CASE("ensure_bridge leaves a device alone that is no bridge", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    const std::string got = refusal([&] { host.ensure(some_bridge("lo")); });
    const DeviceView lo = host.view("lo");
    step("the device of that name is the loopback: " + got);
    fact("took_another_kind", got == "accepted" || lo.up || lo.mtu == 1300);
    TENON_EXPECT(got.starts_with("make bridge lo") && got.ends_with(": EEXIST"),
                 "make bridge lo ..: EEXIST", got);
    TENON_EXPECT(!lo.up && lo.mtu != 1300, "and the loopback is as it was", "it was changed");
}

TEST_CASE("ensure_bridge gets along with others that make the same bridge", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    ensure_bridge(Netlink::open_in(host.netns.fd()), some_bridge("alone"));
    const auto ensure = [&] {
        return ensure_bridge(Netlink::open_in(host.netns.fd()), some_bridge()) > 0 ? 0 : 1;
    };
    const Overtaken found =
        overtake(ensure, [&] { host.netns.run([] { make_plain_bridge("tenon0"); }); });
    step("a process that calls ensure_bridge is held when it asks the kernel for the bridge");
    step("meanwhile somebody else makes it, and the process goes on");
    TENON_EXPECT(found.asked, "it asks for a bridge: there is none", "it did not");
    const bool has_it = WIFEXITED(found.wait_status) && WEXITSTATUS(found.wait_status) == 0;
    fact("race_lost", !has_it);
    TENON_EXPECT(has_it, "it has the other one's bridge", "it gave up");
    const DeviceView view = host.view();
    TENON_EXPECT(view.up && view.addresses == gateway_texts, "up, with its addresses",
                 joined(view.addresses));
}

TEST_CASE("ensure_bridge serves processes that call it at once", "[uses-05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    constexpr int processes = 4;
    constexpr int rounds = 12;
    for (int round = 0; round < rounds; ++round) {
        const std::string name = fmt::format("tenon{}", round);
        CHECK(count_successes(host, name, processes) == processes);
        CHECK(host.view(name).addresses == gateway_texts);
    }
}

TEST_CASE("ensure_bridge passes a refusal on", "[05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TestNetns netns;
    const std::string got = netns.run([] {
        return run_forked([] {
                   check(::unshare(CLONE_NEWUSER), "unshare", "CLONE_NEWUSER");
                   say(refusal([] { ensure_bridge(Netlink::open(), some_bridge()); }));
                   return 0;
               })
            .out;
    });
    step("a process without CAP_NET_ADMIN calls ensure_bridge: " + got);
    fact("error_hidden", got.find("EPERM") == std::string::npos);
    TENON_EXPECT(got == "make bridge tenon0: EPERM", "make bridge tenon0: EPERM", got);
}

TEST_CASE("ensure_bridge makes nothing for a name that the kernel would read otherwise",
          "[uses-05.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Host host;
    CHECK_THROWS_AS(ensure_bridge(host.netlink, some_bridge("br%d")), std::invalid_argument);
    CHECK_THROWS_AS(ensure_bridge(host.netlink, some_bridge("")), std::invalid_argument);
    CHECK(host.netns.run([] { return device_names(); }) == std::set<std::string>{"lo"});
}

}  // namespace tenon::test
