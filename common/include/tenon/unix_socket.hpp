/// @file
/// Sockets with a name in a folder.
///
/// An address has room for 107 bytes, and a state folder may lie deeper. So the folder is a
/// descriptor, and the address /proc/self/fd/N/name: short, and nothing on the way can be swapped.
#pragma once

#include <string>

#include "tenon/fd.hpp"

namespace tenon {

/// A socket that listens as @p name in @p folder, a new name. @param type  SOCK_STREAM ...
/// @throws SysError  bind: EADDRINUSE, EACCES; ENAMETOOLONG
UniqueFd listen_at(FdRef folder, const std::string& name, int type);

/// The same for messages, SOCK_DGRAM: nobody connects, whoever may write to the file sends.
UniqueFd bind_at(FdRef folder, const std::string& name);

/// A connection to who listens there.
/// @throws SysError  connect: ENOENT, ECONNREFUSED (nobody listens), EACCES, EPROTOTYPE (another
/// type
///         of socket)
UniqueFd connect_to(FdRef folder, const std::string& name, int type);
/// The same by a path of any length. @throws as connect_to(), with @p path as the subject
UniqueFd connect_to(const std::string& path, int type);

/// Waits for the next connection. @throws SysError  accept: EMFILE
UniqueFd accept_connection(FdRef listener);

}  // namespace tenon
