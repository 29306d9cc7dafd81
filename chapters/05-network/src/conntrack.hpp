// The kernel's memory of flows, as far as it must forget. Internal to chapter 05.
#pragma once

#include <span>

#include "tenon/ip_address.hpp"

namespace tenon {

// Ends every tracked flow that has one of @p addresses at either end, in either direction. A kernel
// that cannot list its flows keeps them until they time out. @throws SysError  forget flow: EPERM
void forget_flows(std::span<const IpAddress> addresses);

}  // namespace tenon
