// What a host must allow so that packets pass it, and what it was before.
//
// Switches are files below /proc/sys. STATE/forwarding says of each that was touched `path before
// during`; it is written first, so that whoever comes after a kill finds what to restore.
#pragma once

#include <string>

#include "tenon/fd.hpp"

namespace tenon {

// Lets the host forward, IPv4 and if asked IPv6, where it does not yet, and says on standard error
// what that changed. @throws SysError  openat: EROFS, write: EPERM
void allow_forwarding(FdRef state, bool ipv6);
// As before allow_forwarding(). Devices that are gone by now are no error.
void restore_forwarding(FdRef state);

// Lets the host's own 127.0.0.1 reach what is behind @p bridge, and only that; the bridge listens
// to no router and looks for no double of its address. All that ends with the device.
void prepare_bridge_switches(const std::string& bridge);

}  // namespace tenon
