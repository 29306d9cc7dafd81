// Bits as people read them: CLONE_NEWPID|CLONE_PIDFD, not 0x20001000.
#pragma once

#include <cstdint>
#include <string>

namespace tenon::sys {

std::string clone_flag_names(std::uint64_t flags);
std::string mount_attr_names(std::uint64_t attributes);
std::string propagation_name(std::uint64_t propagation);
std::string open_flag_names(int flags);
std::string resolve_names(std::uint64_t resolve);

}  // namespace tenon::sys
