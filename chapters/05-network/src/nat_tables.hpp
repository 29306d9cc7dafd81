// The tables `tenon` without rules: which sets there are, and how an element is written.
#pragma once

#include <string>
#include <string_view>

#include "tenon/nat.hpp"

namespace tenon {

// One element of a set or map: what is there once per network or container.
struct NatElement {
    std::string_view table;  // "inet tenon" or "bridge tenon"
    std::string set;
    std::string key;    // `"tenon0" . "tenon0"`
    std::string value;  // of a map: `10.87.0.2 . 80`; of a set empty
};

inline constexpr std::string_view inet_table = "inet tenon";
inline constexpr std::string_view bridge_table = "bridge tenon";

// Makes both tables with their sets and chains; one that is there stays, with what is in it.
std::string table_declarations();
// Empties the chains, and not the sets. In one transaction with new rules no packet sees a gap.
std::string flush_commands();
// Both tables go, whether they were there or not.
std::string delete_tables_commands();

// `add rule inet tenon CHAIN RULE`
std::string rule_command(std::string_view table, std::string_view chain, std::string_view rule);
std::string add_command(const NatElement& element);
std::string delete_command(const NatElement& element);

// In nft's language a name is a word of its own, or stands in quotes.
std::string quoted(std::string_view name);
// at4 or at6: sets exist once per family, because an element has one length.
std::string for_family(std::string_view set, int family);
// The address that the kernel gives a device by its MAC: RFC 4291, appendix A.
IpAddress link_local_address(const MacAddress& mac);
// All 16 bytes as a number: nft 1.0.6 has no name for the target of a neighbour advertisement.
std::string as_number(const IpAddress& address);

}  // namespace tenon
