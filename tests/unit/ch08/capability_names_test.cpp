// Names and numbers of capabilities, and the sets that a config lists.
#include <linux/capability.h>

#include <algorithm>
#include <cctype>

#include "capability_view.hpp"
#include "catch.hpp"

namespace tenon::test {

namespace {

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

TEST_CASE("every capability of the kernel's header has its name") {
    CHECK(capability_name(CAP_CHOWN) == "CAP_CHOWN");
    CHECK(capability_name(CAP_DAC_READ_SEARCH) == "CAP_DAC_READ_SEARCH");
    CHECK(capability_name(CAP_NET_ADMIN) == "CAP_NET_ADMIN");
    CHECK(capability_name(CAP_SYS_ADMIN) == "CAP_SYS_ADMIN");
    CHECK(capability_name(CAP_SETFCAP) == "CAP_SETFCAP");
    CHECK(capability_name(CAP_AUDIT_READ) == "CAP_AUDIT_READ");
    CHECK(capability_name(CAP_PERFMON) == "CAP_PERFMON");
    CHECK(capability_name(CAP_BPF) == "CAP_BPF");
    CHECK(capability_name(CAP_CHECKPOINT_RESTORE) == "CAP_CHECKPOINT_RESTORE");
    CHECK(capability_name(CAP_LAST_CAP) != std::to_string(CAP_LAST_CAP));
}

TEST_CASE("a capability is read by name in any case, with or without CAP_, and by number") {
    for (Capability number = 0; number <= CAP_LAST_CAP; ++number) {
        const std::string name = capability_name(number);
        INFO(name);
        CHECK(capability_from(name) == number);
        CHECK(capability_from(lower(name)) == number);
        CHECK(capability_from(name.substr(4)) == number);
        CHECK(capability_from("cAp_" + lower(name.substr(4))) == number);
        CHECK(capability_from(std::to_string(number)) == number);
    }
    CHECK(capability_from("63") == 63);
}

TEST_CASE("what is no capability is not taken for one") {
    for (const char* text : {"", "CAP_", "CAP_CAP_CHOWN", "CHOWN ", " CHOWN", "CAP_NOSUCH", "64",
                             "-1", "+1", "1x", "0x1", "4294967296", "18446744073709551616", "ALL",
                             "CHOW", "CHOWNN", "CAP-CHOWN", "CH\xc3\x96WN"}) {
        INFO(text);
        CHECK_FALSE(capability_from(text).has_value());
    }
    CHECK_FALSE(capability_from(std::string_view{"CHOWN\0", 6}).has_value());
}

TEST_CASE("a number that has no name here gets one that is read back") {
    CHECK(capability_name(CAP_LAST_CAP + 1) == std::to_string(CAP_LAST_CAP + 1));
    CHECK(capability_from(std::to_string(CAP_LAST_CAP + 1)) == CAP_LAST_CAP + 1);
}

TEST_CASE("a set is the bits that the kernel prints") {
    const CapabilitySet set{CAP_CHOWN, CAP_SYS_ADMIN, CAP_BPF};
    CHECK(set.bits() == ((1ULL << 0) | (1ULL << 21) | (1ULL << 39)));
    CHECK(set.members() == std::vector<Capability>{0, 21, 39});
    CHECK(names_of(set) == "CAP_CHOWN,CAP_SYS_ADMIN,CAP_BPF");
    CHECK(names_of({}) == "none");
    CHECK(CapabilitySet::up_to(40).bits() == 0x1ffffffffff);
    CHECK(CapabilitySet::up_to(63).bits() == ~0ULL);
    CHECK(CapabilitySet::up_to(0) == CapabilitySet{0});
    CHECK((set - CapabilitySet{CAP_BPF}) == CapabilitySet{CAP_CHOWN, CAP_SYS_ADMIN});
    CHECK((set & CapabilitySet{CAP_BPF, CAP_KILL}) == CapabilitySet{CAP_BPF});
}

TEST_CASE("the last capability is the one that the kernel says in /proc") {
    const std::string text = read_file("/proc/sys/kernel/cap_last_cap");
    CHECK(last_capability() == std::stoi(text));
}

TEST_CASE("own_capabilities is what /proc says of this process") {
    const Capabilities own = own_capabilities();
    const Capabilities seen = capabilities_of(::getpid());
    CHECK(in_words(own) == in_words(seen));
}

TEST_CASE("a config's lists become five sets") {
    std::vector<std::string> warnings;
    const Capabilities sets = capabilities_from({.bounding = {"CAP_CHOWN", "CAP_KILL"},
                                                 .effective = {"CAP_KILL"},
                                                 .inheritable = {},
                                                 .permitted = {"CAP_KILL", "CAP_KILL"},
                                                 .ambient = {"CAP_BPF"}},
                                                CAP_LAST_CAP, warnings);
    CHECK(sets == Capabilities{.bounding = {CAP_CHOWN, CAP_KILL},
                               .effective = {CAP_KILL},
                               .inheritable = {},
                               .permitted = {CAP_KILL},
                               .ambient = {CAP_BPF}});
    CHECK(warnings.empty());
}

TEST_CASE("a capability that nobody knows is left out with a warning") {
    std::vector<std::string> warnings;
    const Capabilities sets =
        capabilities_from({.bounding = {"CAP_FUTURE", "CAP_KILL", "CAP_FUTURE"},
                           .effective = {"CAP_FUTURE"},
                           .inheritable = {},
                           .permitted = {"CAP_BPF"},
                           .ambient = {}},
                          CAP_AUDIT_READ, warnings);
    CHECK(sets.bounding == CapabilitySet{CAP_KILL});
    CHECK(sets.permitted.empty());
    REQUIRE(warnings.size() == 3);
    CHECK(warnings[0] == "capability CAP_FUTURE (bounding): there is no such capability, left out");
    CHECK(warnings[1] ==
          "capability CAP_FUTURE (effective): there is no such capability, left out");
    CHECK(warnings[2] == "capability CAP_BPF (permitted): this kernel does not know it, left out");
}

TEST_CASE("what can be had is trimmed to what the kernel would accept") {
    std::vector<std::string> warnings;
    const CapabilitySet most = CapabilitySet::up_to(CAP_LAST_CAP) - CapabilitySet{CAP_SYS_RESOURCE};
    const Capabilities available{
        .bounding = most, .effective = most, .inheritable = {}, .permitted = most, .ambient = {}};
    const Capabilities got = obtainable({.bounding = {CAP_KILL, CAP_SYS_RESOURCE},
                                         .effective = {CAP_KILL, CAP_CHOWN},
                                         .inheritable = {CAP_KILL, CAP_FOWNER},
                                         .permitted = {CAP_KILL, CAP_SYS_RESOURCE, CAP_BPF},
                                         .ambient = {CAP_KILL, CAP_BPF}},
                                        available, warnings);
    CHECK(got == Capabilities{.bounding = {CAP_KILL},
                              .effective = {CAP_KILL},
                              .inheritable = {CAP_KILL},
                              .permitted = {CAP_KILL, CAP_BPF},
                              .ambient = {CAP_KILL}});
    REQUIRE(warnings.size() == 5);
    CHECK(warnings[0] == "CAP_SYS_RESOURCE: not in the caller's own bounding set, left out");
    CHECK(warnings[1] == "CAP_SYS_RESOURCE: the caller does not have it, left out");
    CHECK(warnings[2] == "CAP_CHOWN: effective, but not permitted, left out");
    CHECK(warnings[3] == "CAP_FOWNER: inheritable, but not in the bounding set, left out");
    CHECK(warnings[4] == "CAP_BPF: ambient, but not both permitted and inheritable, left out");
}

TEST_CASE("nothing is said when everything can be had") {
    std::vector<std::string> warnings;
    const Capabilities wanted = random_capabilities(CapabilitySet::up_to(CAP_LAST_CAP));
    const Capabilities available = capabilities_of_a_new_user_namespace(CAP_LAST_CAP);
    CHECK(obtainable(wanted, available, warnings) == wanted);
    CHECK(warnings.empty());
}

}  // namespace tenon::test
