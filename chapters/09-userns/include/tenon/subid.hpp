/// @file
/// Chapter 09, subordinate ids: which ids of the host an ordinary user may use besides their own.
///
/// /etc/subuid and /etc/subgid say so, a line each: `alice:100000:65536`. useradd(8) writes them,
/// newuidmap(1) reads them. Only these files are read here: what nsswitch.conf's `subid:` adds (a
/// directory service) is not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/syscalls.hpp"

namespace tenon {

/// Ids of the host: `first` and the size - 1 after it.
struct IdRange {
    std::uint32_t first = 0;
    std::uint32_t size = 0;
    bool operator==(const IdRange&) const = default;
};

/// Whose lines are looked for: a line begins with the name of a user or with the uid, for both
/// files.
struct SubidOwner {
    std::string name;  ///< empty: nobody knows it
    std::uint32_t uid = 0;
};

/// What a file grants to one owner.
struct Subids {
    std::vector<IdRange> ranges;        ///< in the file's order; none overlaps an earlier one
    std::vector<std::string> problems;  ///< lines of the owner that grant nothing: `line 3: why`
};

/// Ids are 0 to 4294967294: the last number of 32 bits is the kernel's "no id".
inline constexpr std::uint64_t most_ids = 4294967295U;

/// A number as these files have it: decimal digits, nothing else, at most 64 bits.
std::optional<std::uint64_t> parse_id_number(std::string_view text);

/// Exercise 09.1. The ranges of @p owner in the text of such a file. A line of theirs that is
/// malformed, empty (size 0), beyond the last id, or overlaps a range found before is a problem and
/// grants nothing. Lines of others, empty ones and those that begin with # say nothing about them.
/// @see \man{subuid,5} \man{subgid,5}
Subids parse_subids(std::string_view text, const SubidOwner& owner);

inline constexpr const char* subuid_file = "/etc/subuid";
inline constexpr const char* subgid_file = "/etc/subgid";

/// The same of a file; nothing where there is no such file, and problems with its name in front.
/// @throws SysError  openat, read: EACCES. std::runtime_error  a file of more than 16 MiB
Subids read_subids(sys::CString path, const SubidOwner& owner);

/// The uid of a name that /etc/passwd does not have: nobody's.
inline constexpr std::uint32_t no_uid = 4294967295U;

/// The owner that @p text names: a uid, or a name, which /etc/passwd need not have: engines own
/// ranges under names that are no user's. A number is never a name (CVE-2016-3697).
/// @throws std::invalid_argument  a uid out of range
SubidOwner find_owner(std::string_view text);
/// The owner with this uid; its name is empty where /etc/passwd has none.
SubidOwner find_owner(std::uint32_t uid);

}  // namespace tenon
