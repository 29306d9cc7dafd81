// Who starts a container, and whose ids they may have.
#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "tenon/capability_syscalls.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/userns_options.hpp"

namespace tenon {

namespace {

// Names under which engines have ranges of their own, ours first.
constexpr std::array known_owners{"tenon", "containers", "dockremap"};

struct BothSubids {
    Subids uids;
    Subids gids;
    [[nodiscard]] bool complete() const { return !uids.ranges.empty() && !gids.ranges.empty(); }
};

BothSubids read_both(const SubidOwner& of_uids, const SubidOwner& of_gids) {
    return {.uids = read_subids(subuid_file, of_uids), .gids = read_subids(subgid_file, of_gids)};
}

[[noreturn]] void refuse_owner(const BothSubids& found, const std::string& of_uids,
                               const std::string& of_gids) {
    const bool uids_missing = found.uids.ranges.empty();
    const std::vector<std::string>& problems =
        uids_missing ? found.uids.problems : found.gids.problems;
    if (!problems.empty()) {
        throw std::invalid_argument(fmt::format("--userns-remap: {}", problems.front()));
    }
    throw std::invalid_argument(fmt::format(
        "--userns-remap: {0} grants nothing to '{1}': add a line such as {1}:231072:65536",
        uids_missing ? subuid_file : subgid_file, uids_missing ? of_uids : of_gids));
}

IdMappings onto(const BothSubids& found, std::vector<std::string>& problems) {
    for (const Subids* one : {&found.uids, &found.gids}) {
        problems.insert(problems.end(), one->problems.begin(), one->problems.end());
    }
    return {.uids = remap_onto(found.uids.ranges), .gids = remap_onto(found.gids.ranges)};
}

IdMappings remap_auto(std::vector<std::string>& problems) {
    for (const char* name : known_owners) {
        const SubidOwner owner = find_owner(std::string_view{name});
        const BothSubids found = read_both(owner, owner);
        if (found.complete()) return onto(found, problems);
    }
    throw std::invalid_argument(
        fmt::format("--userns-remap auto: neither tenon nor containers nor dockremap has ranges: "
                    "add the line tenon:231072:65536 to {} and to {}",
                    subuid_file, subgid_file));
}

}  // namespace

UsernsCaller userns_caller_without_ranges() {
    constexpr std::uint64_t needed = std::uint64_t{1} << CAP_SETUID |
                                     std::uint64_t{1} << CAP_SETGID |
                                     std::uint64_t{1} << CAP_SYS_ADMIN;
    return {.privileged = (sys::capget().effective & needed) == needed,
            .on_the_machine = in_initial_user_namespace(),
            .own = {.uid = ::geteuid(), .gid = ::getegid()}};
}

UsernsCaller read_userns_caller() {
    const SubidOwner self = find_owner(static_cast<std::uint32_t>(::geteuid()));
    BothSubids found = read_both(self, self);
    UsernsCaller caller = userns_caller_without_ranges();
    caller.own.subuids = std::move(found.uids.ranges);
    caller.own.subgids = std::move(found.gids.ranges);
    caller.problems = std::move(found.uids.problems);
    caller.problems.insert(caller.problems.end(), found.gids.problems.begin(),
                           found.gids.problems.end());
    return caller;
}

IdMappings remap_mappings(const std::string& text, std::vector<std::string>& problems) {
    if (text == "auto") return remap_auto(problems);
    const std::size_t colon = text.find(':');
    const std::string of_uids = text.substr(0, colon);
    const std::string of_gids = colon == std::string::npos ? of_uids : text.substr(colon + 1);
    if (of_uids.empty() || of_gids.empty()) {
        throw std::invalid_argument(
            fmt::format("--userns-remap '{}': write OWNER, OWNER:OWNER, or auto", text));
    }
    const BothSubids found =
        read_both(find_owner(std::string_view{of_uids}), find_owner(std::string_view{of_gids}));
    if (!found.complete()) refuse_owner(found, of_uids, of_gids);
    return onto(found, problems);
}

}  // namespace tenon
