// What is written down of an endpoint before anything is made for it: enough to remove it all.
// Its addresses are not among it: the pools know them by the endpoint's id.
#pragma once

#include <string>
#include <vector>

#include "tenon/container_network.hpp"
#include "tenon/file_lock.hpp"

namespace tenon {

struct EndpointRecord {
    std::string id;
    std::string bridge;
    std::string veth;
    std::vector<Subnet> subnets;  // IPv4's first
    std::vector<PortMapping> ports;
};

std::string record_text(const EndpointRecord& record);
// @throws std::runtime_error  names the line and the file
EndpointRecord parse_record(const std::string& id, const std::string& text);

// STATE/endpoints
class EndpointRecords {
  public:
    // @throws SysError  openat
    explicit EndpointRecords(FdRef state);

    // @return the lock that says: its owner lives. @pre no record of that id
    [[nodiscard]] FileLock add(const EndpointRecord& record) const;
    // Nothing when there is none.
    [[nodiscard]] std::optional<EndpointRecord> find(const std::string& id) const;
    [[nodiscard]] std::vector<std::string> ids() const;
    [[nodiscard]] std::vector<EndpointRecord> all() const;
    // The lock of a record whose owner is gone; nothing when it lives.
    [[nodiscard]] std::optional<FileLock> abandoned(const std::string& id) const;
    // Those that somebody was killed over before they had their name.
    void remove_unfinished() const;
    void remove(const std::string& id) const;

  private:
    UniqueFd directory_;
};

}  // namespace tenon
