// Network namespaces of the test's own, and what the kernel says about them: by ioctl(2), procfs
// and getifaddrs(3), never by the code under test, and without tools that a machine may lack.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon::test {

// A network namespace that nobody else is in; gone with the object.
class TestNetns {
  public:
    TestNetns();
    [[nodiscard]] FdRef fd() const { return fd_; }
    // What `body` returns in there. Wherever it leaves the process, we are back afterwards.
    template <typename Body>
    auto run(Body&& body) const {
        const Visit visit{fd_};
        return body();
    }

  private:
    class Visit {
      public:
        explicit Visit(FdRef netns);
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;
        ~Visit();

      private:
        UniqueFd home_;
    };
    UniqueFd fd_;
};

// A network device of the current network namespace.
struct DeviceView {
    int index = 0;
    std::string driver;  // bridge, veth; empty for loopback
    bool up = false;
    unsigned mtu = 0;
    std::string mac;
    std::set<std::string> addresses;  // 10.87.0.1/16, without link-local ones
};

std::set<std::string> device_names();
std::optional<DeviceView> view_device(const std::string& name);
// One whose absence is a failure of the test.
DeviceView device(const std::string& name);
// What is plugged into the bridge.
std::set<std::string> ports_of(const std::string& bridge);
// "default via 10.87.0.1 dev eth0", of both families.
std::set<std::string> default_routes();
// Whether an IPv6 address still waits for the answer that it is nobody else's.
bool has_tentative_address(const std::string& address);
// Waits for the kernel's own route to an IPv6 address that was just given: it enters that a moment
// later, in a work queue. Whether it came within 3 s.
bool gets_local_route(const std::string& address);

// A bridge, made by ioctl(2) alone: down, without addresses.
void make_plain_bridge(const std::string& name);

// Names in the announcements of devices (RTM_NEWLINK) since the object was made, in its namespace.
class LinkWatcher {
  public:
    LinkWatcher();
    [[nodiscard]] std::set<std::string> names_seen() const;

  private:
    UniqueFd socket_;
};

// Sends a random word from one namespace to `address` in the other and back, by TCP or UDP. Empty
// when it came back, else what went wrong. `address` may stand for its own end, too.
enum class Transport { Tcp, Udp };
std::string exchange(Transport transport, const TestNetns& from, const TestNetns& to,
                     const std::string& address);

// Whether a connection from the current namespace to `address` is answered before ARP would send
// its question a second time (it does after one second). The answer is a refusal: nobody listens.
bool is_answered_at_once(const std::string& address);

std::string joined(const std::set<std::string>& words);

}  // namespace tenon::test
