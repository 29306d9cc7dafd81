// A published port is the host's, too: a socket holds it as long as the container lives, so that
// the kernel itself refuses it to everybody else, and to us where somebody else has it.
#pragma once

#include <optional>
#include <string>

#include "tenon/fd.hpp"
#include "tenon/ip_address.hpp"

namespace tenon {

// Nothing is served by it: whoever is not translated is refused, as on a port without a server.
// @throws SysError  reserve port: EACCES, EADDRNOTAVAIL, EAFNOSUPPORT
// @throws std::runtime_error  another program has it: says which
UniqueFd reserve_port(const PortMapping& port);

// Whether one host cannot have both.
bool conflict(const PortMapping& one, const PortMapping& other);

// `pid 123 (nginx)`, as far as /proc tells. Best effort: the socket may be in a process that we may
// not look into.
std::optional<std::string> program_on(const PortMapping& port);

}  // namespace tenon
