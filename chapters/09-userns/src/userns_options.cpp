// Declarations, and the ids that they name.
#include "tenon/userns_options.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <stdexcept>

#include "tenon/rootfs_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// Names under which engines have ranges of their own, ours first.
constexpr std::array known_owners{"tenon", "containers", "dockremap"};

Rootless parse_rootless(const std::string& word) {
    if (word == "auto") return Rootless::Auto;
    if (word == "single") return Rootless::Single;
    if (word == "subids") return Rootless::Subids;
    throw CLI::ValidationError(fmt::format("--rootless: '{}': write auto, single or subids", word));
}

// A mistake in the text is a mistake on the command line: CLI11 reports it as one.
IdMap parsed(const std::string& option, const std::string& text) {
    try {
        return parse_id_map(option, text);
    } catch (const std::invalid_argument& error) {
        throw CLI::ValidationError(error.what());
    }
}

// `--userns-remap "$OWNER"`, where that is not set, must not become a container of root's.
std::string not_empty(const std::string& text) {
    return text.empty() ? "'': write OWNER, OWNER:OWNER, or auto" : "";
}

void add_map_option(CLI::App& run, const std::string& flag, std::vector<IdMap>& maps,
                    const char* help) {
    run.add_option_function<std::vector<std::string>>(
           flag,
           [flag, &maps](const std::vector<std::string>& texts) {
               for (const std::string& text : texts) maps.push_back(parsed(flag, text));
           },
           help)
        ->type_size(1)
        ->allow_extra_args(false)
        ->type_name("CONTAINER:HOST:SIZE")
        ->group("User namespace");
}

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

void declare_userns_options(CLI::App& run, UsernsOptions& options) {
    run.add_option("--userns-remap", options.remap,
                   "root: ids are those of an owner in /etc/subuid (and one in /etc/subgid), or of "
                   "the engine's own: auto")
        ->check(not_empty, "")
        ->type_name("OWNER[:OWNER]")
        ->group("User namespace");
    add_map_option(run, "--uidmap", options.uidmap, "a range of uids: inside, outside, how many");
    add_map_option(run, "--gidmap", options.gidmap, "a range of gids; as --uidmap when not given");
    run.add_option_function<std::string>(
           "--rootless",
           [&options](const std::string& word) { options.rootless = parse_rootless(word); },
           "ordinary user: fit the config to what you may do; ids: auto, single, subids")
        ->type_name("MODE")
        ->group("User namespace");
    run.add_flag("--idmap-rootfs", options.idmap_rootfs,
                 "show the root's files as the container's own, without a chown")
        ->group("User namespace");
    run.add_option("--bind", options.binds,
                   "show a path of the host inside: SRC:DST[:ro,idmap,...]; idmap: its files "
                   "belong to the container's ids")
        ->type_size(1)
        ->allow_extra_args(false)
        ->type_name("SPEC")
        ->group("User namespace");
}

UsernsCaller read_userns_caller() {
    const SubidOwner self = find_owner(static_cast<std::uint32_t>(::geteuid()));
    BothSubids found = read_both(self, self);
    UsernsCaller caller;
    caller.privileged = sys::has_effective_capability(CAP_SETUID) &&
                        sys::has_effective_capability(CAP_SETGID) &&
                        sys::has_effective_capability(CAP_SYS_ADMIN);
    caller.on_the_machine = in_initial_user_namespace();
    caller.own = {.uid = ::geteuid(),
                  .gid = ::getegid(),
                  .subuids = std::move(found.uids.ranges),
                  .subgids = std::move(found.gids.ranges)};
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
