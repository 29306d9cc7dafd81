// The parts of a connection, each made and each removed, in terms of records. Under STATE/lock.
#pragma once

#include <string>
#include <vector>

#include "endpoint_record.hpp"
#include "tenon/container_network.hpp"

namespace tenon {

// What can be refused before anything is looked at.
// @throws std::invalid_argument
void check_request(const NetworkSpec& network, const EndpointSpec& endpoint);

// Two hosts in one folder would sweep each other's containers, and restore each other's switches.
// @throws std::runtime_error  endpoints of another network namespace are in it
void check_host(FdRef state, const EndpointRecords& records);

// @throws std::invalid_argument  the bridge has other subnets or another mtu already, or is
//         somebody else's device; a subnet that clashes with a route or address of the host
void check_network(FdRef state, const NetworkSpec& network);

// @throws std::runtime_error  a port that another endpoint has: says which
void check_ports(const EndpointRecords& records, const std::vector<PortMapping>& ports);

std::vector<Subnet> subnets_of(const NetworkSpec& network);

// Bridge, addresses, cable, rules. @return the container's addresses
std::vector<IpPrefix> set_up(FdRef state, const NetworkSpec& network, const EndpointSpec& endpoint,
                             const EndpointRecord& record, FdRef netns);

// Everything that @p record may have brought about; with the last endpoint of a bridge the bridge,
// with the last of all the tables and the host's switches. @return what could not be removed, in
// words; then the record stays, for the next command to try again.
std::vector<std::string> tear_down(FdRef state, const EndpointRecords& records,
                                   const EndpointRecord& record);

}  // namespace tenon
