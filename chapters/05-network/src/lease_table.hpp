// The text of an address pool's file, and what its addresses are as numbers. No system calls.
//
//     last 10.87.0.3
//     10.87.0.2 web
//     10.87.0.3 db
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/address_pool.hpp"

namespace tenon {

struct LeaseTable {
    std::optional<IpAddress> last;  // handed out last by the pool's own choice
    std::vector<Lease> leases;
};

// @throws std::runtime_error  a line that is none: names @p file and line
LeaseTable parse_lease_table(std::string_view text, const std::string& file);
std::string lease_table_text(const LeaseTable& table);

// 10.87.0.0-16.leases: a slash has no place in a file's name.
std::string lease_file_name(const Subnet& subnet);

// The lease of an address, or of an owner; null when there is none.
const Lease* find_lease(const LeaseTable& table, const IpAddress& address);
const Lease* find_lease(const LeaseTable& table, const std::string& owner);

// How far @p address is from the network's own, as far as 64 bits tell.
std::uint64_t index_of(const Subnet& subnet, const IpAddress& address);
// The first and the last index that a container may have: after the gateway, before the broadcast.
inline constexpr std::uint64_t first_index = 2;
std::uint64_t last_index(const Subnet& subnet);

// @throws std::invalid_argument  no name for a file, a record, a line
void check_owner_name(std::string_view name);

}  // namespace tenon
