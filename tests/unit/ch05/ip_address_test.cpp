#include "tenon/ip_address.hpp"

#include <stdexcept>
#include <vector>

#include "catch.hpp"

namespace tenon::test {

namespace {

using Texts = std::vector<std::string>;

// What is said of a text that is refused; "taken" of one that is not.
template <typename Type>
std::string refusal_of(const std::string& text) {
    try {
        static_cast<void>(Type::parse(text));
        return "taken";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

template <typename Type>
void check_refused(const Texts& texts) {
    for (const std::string& text : texts) {
        CAPTURE(text);
        const std::string said = refusal_of<Type>(text);
        CHECK(said.starts_with("'"));
    }
}

template <typename Type>
bool says(const std::string& text, const std::string& words) {
    const std::string said = refusal_of<Type>(text);
    INFO(said);
    CHECK(said.find(words) != std::string::npos);
    return said.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("IpAddress reads both families and writes them back in their short form") {
    CHECK(IpAddress::parse("10.87.0.1").text() == "10.87.0.1");
    CHECK(IpAddress::parse("255.255.255.255").text() == "255.255.255.255");
    CHECK(IpAddress::parse("FD00:0:0::0:1").text() == "fd00::1");
    CHECK(IpAddress::parse("::").is_any());
    CHECK(IpAddress::parse("0.0.0.0").is_any());
    CHECK_FALSE(IpAddress::parse("0.0.0.1").is_any());
    CHECK(IpAddress::parse("127.9.9.9").is_loopback());
    CHECK(IpAddress::parse("::1").is_loopback());
    CHECK_FALSE(IpAddress::parse("::2").is_loopback());
    CHECK_FALSE(IpAddress::parse("100::1").is_loopback());
    CHECK(IpAddress::parse("9.0.0.1") < IpAddress::parse("10.0.0.0"));
    CHECK(IpAddress::parse("10.0.0.1").size() == 4);
    CHECK(IpAddress::parse("fd00::1").size() == 16);
}

TEST_CASE("IpAddress refuses what other programs would read in another way") {
    check_refused<IpAddress>(
        {"",           " ",          "10.87.0.1 ", " 10.87.0.1",  "10.87.0.01",  "010.87.0.1",
         "0x0a.0.0.1", "10.87.1",    "10",         "10.87.0.256", "10.87.0.1.2", "10.87.0.-1",
         "1.2.3.4/24", "1.2.3.4:80", "localhost",  ":::",         "1::2::3",     "fd00::12345",
         "[fd00::1]",  "fd00::1\n",  "\t::1",      "١.2.3.4"});
    says<IpAddress>("fe80::1%eth0", "zone");
    says<IpAddress>("10.0.0.1%lo", "zone");
    says<IpAddress>("::ffff:10.0.0.1", "write it as IPv4");
    says<IpAddress>("::FFFF:0a00:1", "write it as IPv4");
    says<IpAddress>(std::string{"10.0.0.1\0", 9}, "NUL");
}

TEST_CASE("IpPrefix knows its network and what is in it") {
    const IpPrefix prefix = IpPrefix::parse("10.87.3.4/20");
    CHECK(prefix.text() == "10.87.3.4/20");
    CHECK(prefix.network().text() == "10.87.0.0/20");
    CHECK(prefix.contains(IpAddress::parse("10.87.15.255")));
    CHECK_FALSE(prefix.contains(IpAddress::parse("10.87.16.0")));
    CHECK_FALSE(prefix.contains(IpAddress::parse("::")));
    CHECK(IpPrefix::parse("0.0.0.0/0").contains(IpAddress::parse("255.1.2.3")));
    CHECK(IpPrefix::parse("10.0.0.1/32").network().text() == "10.0.0.1/32");
    CHECK(IpPrefix::parse("fd00:1:2:3:4::/61").network().text() == "fd00:1:2::/61");
    CHECK(IpPrefix::parse("::1/128").contains(IpAddress::parse("::1")));
}

TEST_CASE("two prefixes overlap when one lies in the other") {
    const auto overlap = [](const char* one, const char* other) {
        const bool there = IpPrefix::parse(one).overlaps(IpPrefix::parse(other));
        CHECK(there == IpPrefix::parse(other).overlaps(IpPrefix::parse(one)));
        return there;
    };
    CHECK(overlap("10.87.0.0/16", "10.87.5.0/24"));
    CHECK(overlap("10.87.0.0/16", "0.0.0.0/0"));
    CHECK(overlap("10.87.5.9/16", "10.87.7.0/24"));
    CHECK_FALSE(overlap("10.87.0.0/17", "10.87.128.0/17"));
    CHECK_FALSE(overlap("0.0.0.0/0", "::/0"));
    CHECK(overlap("fd00::/8", "fd12:3456::/64"));
}

TEST_CASE("IpPrefix refuses what is no number of bits") {
    check_refused<IpPrefix>({"10.87.0.0", "10.87.0.0/", "10.87.0.0/-1", "10.87.0.0/+8",
                             "10.87.0.0/ 8", "10.87.0.0/8 ", "10.87.0.0/08", "10.87.0.0/16/16",
                             "10.87.0.0/255.255.0.0", "10.87.0.0/99999999999999999999", "/16",
                             "10.87/16", "fd00::/x"});
    says<IpPrefix>("10.87.0.0/33", "32 bits");
    says<IpPrefix>("fd00::/129", "128 bits");
}

TEST_CASE("Subnet counts its addresses from its own one on") {
    const Subnet subnet = Subnet::parse("10.87.0.0/16");
    CHECK(subnet.gateway().text() == "10.87.0.1");
    CHECK(subnet.host(0).text() == "10.87.0.0");
    CHECK(subnet.host(255).text() == "10.87.0.255");
    CHECK(subnet.host(256).text() == "10.87.1.0");
    CHECK(subnet.host(65535).text() == "10.87.255.255");
    CHECK(subnet.capacity() == 65533);
    CHECK(Subnet::parse("10.87.0.252/30").gateway().text() == "10.87.0.253");
    CHECK(Subnet::parse("10.87.0.252/30").capacity() == 1);
    CHECK(Subnet::parse("10.0.0.0/8").capacity() == (1U << 24) - 3);
    CHECK(Subnet::parse("10.0.0.0/8").host(0xffffff).text() == "10.255.255.255");
    const Subnet six = Subnet::parse("fd00:87::/64");
    CHECK(six.gateway().text() == "fd00:87::1");
    CHECK(six.host(0x1'0000'0000).text() == "fd00:87::1:0:0");
    CHECK(six.host(~std::uint64_t{0}).text() == "fd00:87::ffff:ffff:ffff:ffff");
    CHECK(six.capacity() == std::uint64_t{1} << 32);
    CHECK(Subnet::parse("fd00::/96").capacity() == (std::uint64_t{1} << 32) - 2);
    CHECK(Subnet::parse("fd00::/126").capacity() == 2);
}

TEST_CASE("Subnet says what is wrong with one that it refuses") {
    says<Subnet>("10.87.0.5/16", "did you mean 10.87.0.0/16?");
    says<Subnet>("fd00::5/64", "did you mean fd00::/64?");
    says<Subnet>("10.87.0.0/31", "/30 is the smallest");
    says<Subnet>("10.87.0.1/32", "/30 is the smallest");
    says<Subnet>("fd00::/127", "/126 is the smallest");
    says<Subnet>("16.0.0.0/7", "/8 is the largest");
    says<Subnet>("fd00::/47", "/48 is the largest");
    says<Subnet>("224.0.0.0/24", "multicast");
    says<Subnet>("ff02::/64", "multicast");
    says<Subnet>("127.0.0.0/8", "loopback");
    says<Subnet>("127.5.0.0/24", "loopback");
    says<Subnet>("169.254.0.0/16", "link-local");
    says<Subnet>("fe80::/64", "link-local");
    says<Subnet>("0.0.0.0/8", "no network in particular");
    says<Subnet>("0.0.0.0/0", "no network in particular");
    says<Subnet>("::/0", "no network in particular");
    says<Subnet>("255.255.255.0/24", "reserved");
    check_refused<Subnet>({"", "10.87.0.0", "10.87.0.0/33", "ten/16", "fe80::%eth0/64"});
}

TEST_CASE("PortMapping is on loopback unless an address is given") {
    CHECK(PortMapping::parse("8080:80").text() == "127.0.0.1:8080:80/tcp");
    CHECK(PortMapping::parse("8080:80/tcp").text() == "127.0.0.1:8080:80/tcp");
    CHECK(PortMapping::parse("8080:80/udp").text() == "127.0.0.1:8080:80/udp");
    CHECK(PortMapping::parse("127.0.0.2:8080:80/udp").text() == "127.0.0.2:8080:80/udp");
    CHECK(PortMapping::parse("0.0.0.0:1:65535").text() == "0.0.0.0:1:65535/tcp");
    CHECK(PortMapping::parse("[fd00::1]:8080:80").text() == "[fd00::1]:8080:80/tcp");
    CHECK(PortMapping::parse("[::]:8080:80").host_address.is_any());
    for (const char* text : {"8080:80", "[fd00::1]:53:5353/udp", "192.0.2.1:1:2"}) {
        const PortMapping mapping = PortMapping::parse(text);
        CHECK(PortMapping::parse(mapping.text()) == mapping);
    }
}

TEST_CASE("PortMapping says which part it does not take") {
    says<PortMapping>("80", "the host's port is missing (none is picked at random)");
    says<PortMapping>(":80", "the host's port is missing");
    says<PortMapping>("127.0.0.1::80", "the host's port is missing");
    says<PortMapping>("[fd00::1]:80", "the host's port is missing");
    says<PortMapping>("8080:", "the container's port is missing");
    says<PortMapping>("8000-8010:80", "range");
    says<PortMapping>("80:8000-8010", "range");
    says<PortMapping>("0:80", "the host's port 0 is not within 1 to 65535");
    says<PortMapping>("80:0", "the container's port 0");
    says<PortMapping>("65536:80", "65536 is not within");
    says<PortMapping>("8080:80/sctp", "'sctp' cannot be published");
    says<PortMapping>("8080:80/", "'' cannot be published");
    says<PortMapping>("localhost:8080:80", "names are not looked up");
    says<PortMapping>("fd00::1:8080:80", "in brackets");
    says<PortMapping>("[127.0.0.1]:8080:80", "brackets are for IPv6");
    says<PortMapping>("[::1]:8080:80", "use 127.0.0.1");
    says<PortMapping>("[fe80::1]:8080:80", "link-local");
    says<PortMapping>("[fe80::1%eth0]:8080:80", "zone");
    says<PortMapping>("224.0.0.1:8080:80", "multicast");
    says<PortMapping>("[::ffff:127.0.0.1]:8080:80", "write it as IPv4");
    says<PortMapping>(":8080:80", "the host address is empty");
    says<PortMapping>("127.0.0.1:80", "'127.0.0.1' is no number");
    check_refused<PortMapping>({"",
                                ":",
                                "::",
                                ":::",
                                " 8080:80",
                                "8080: 80",
                                "8080:80 ",
                                "08080:80",
                                "8080:080",
                                "+8080:80",
                                "-1:80",
                                "8080:80/TCP",
                                "8080:80/tcp/udp",
                                "1.2.3.4:5:6:7",
                                "a:b",
                                "99999999999:80",
                                "[]:8080:80",
                                "[:8080:80",
                                "]:8080:80",
                                "[fd00::1:8080:80",
                                "/tcp",
                                "8080/tcp:80",
                                "0x50:80"});
}

}  // namespace tenon::test
