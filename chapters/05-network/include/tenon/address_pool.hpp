/// @file
/// Chapter 05: who has which address, on disk.
///
/// One text file per subnet, `10.87.0.0-16.leases`: a line per lease, `10.87.0.2 OWNER`, and one
/// for the address handed out last, `last 10.87.0.2`. Read and written under a lock, and replaced
/// by rename(2): two commands at once never hand out one address, and a power cut leaves the old
/// file or the new one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/ip_address.hpp"

namespace tenon {

/// An address that is taken.
struct Lease {
    IpAddress address;
    std::string owner;
    bool operator==(const Lease&) const = default;
};

/// Exercise 05.3. The addresses of one subnet.
class AddressPool {
  public:
    /// @param state  the folder of the file; open for reading
    AddressPool(FdRef state, const Subnet& subnet);

    /// An address for @p owner: @p wanted if given, else the first that is free after the one
    /// handed out last, so that an address is not used again at once. Who has one already gets the
    /// same.
    /// @param owner  [A-Za-z0-9_.-]+, at most 64 bytes, the first no dot
    /// @throws std::runtime_error  exhausted (says how many, and by which option to widen);
    ///         @p wanted taken (says by whom)
    /// @throws std::invalid_argument  @p wanted outside of the subnet, or its network, gateway or
    ///         broadcast address
    IpAddress lease(const std::string& owner, const std::optional<IpAddress>& wanted = {});
    /// Gives back what @p owner has; nothing is no error.
    void release(const std::string& owner);
    /// @throws std::runtime_error  a line that is none: names file and line
    [[nodiscard]] std::vector<Lease> leases() const;
    /// The file itself goes. @pre nobody has a lease or asks for one
    void remove();

  private:
    FdRef state_;
    Subnet subnet_;
};

}  // namespace tenon
