/// @file
/// Chapter 09, the maps as data: which id of a container is which id of the host.
///
/// Nothing here makes a system call. userns.hpp writes what is decided here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/oci_linux.hpp"
#include "tenon/subid.hpp"

namespace tenon {

/// One line of uid_map: `container_id host_id size`. @see \man{user_namespaces,7}
using IdMap = oci::IdMapping;

/// Both maps of a user namespace.
struct IdMappings {
    std::vector<IdMap> uids;
    std::vector<IdMap> gids;
    bool operator==(const IdMappings&) const = default;
    [[nodiscard]] bool empty() const { return uids.empty() && gids.empty(); }
};

/// What whoever starts a container may map.
struct OwnIds {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<IdRange> subuids;
    std::vector<IdRange> subgids;
};

/// Exercise 09.2. For an ordinary user: their own uid and gid are root, and the subordinate ranges
/// follow from 1 on, one after the other. Without subordinate uids, or without gids, root is the
/// only id. An id that is mapped already, as 0, is left out of a range that holds it.
IdMappings rootless_mappings(const OwnIds& own);

/// Exercise 09.2, too. For root: the container's ids from 0 on are those of @p ranges, one after
/// the other. Real ids of the host are none of them.
std::vector<IdMap> remap_onto(std::span<const IdRange> ranges);

/// As many lines as the kernel takes.
inline constexpr std::size_t most_map_lines = 340;

/// Exercise 09.2, too. Whether the kernel will take @p maps, told before anything is made.
/// @param file  `uid_map`, for the message
/// @throws std::invalid_argument  empty, more than 340 lines or a page of text; a size of 0; a
///         range beyond the last id (CVE-2024-40635); two lines that share an id on either side
void check_id_map(std::span<const IdMap> maps, std::string_view file);

/// The text of a map file, a line for each.
std::string map_text(std::span<const IdMap> maps);

/// What container id @p id is outside; nothing where it is not mapped.
std::optional<std::uint32_t> to_host(std::span<const IdMap> maps, std::uint32_t id);

/// Reads `CONTAINER:HOST:SIZE`. @param option  its name, for the message
/// @throws std::invalid_argument  another form, a number above 32 bits
IdMap parse_id_map(std::string_view option, std::string_view text);

}  // namespace tenon
