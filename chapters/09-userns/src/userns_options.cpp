// Declarations, one per option.
#include "tenon/userns_options.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "tenon/option_group.hpp"

namespace tenon {

namespace {

Rootless parse_rootless(const std::string& word) {
    if (word == "auto") return Rootless::Auto;
    if (word == "single") return Rootless::Single;
    if (word == "subids") return Rootless::Subids;
    throw std::invalid_argument(fmt::format("'{}': write auto, single or subids", word));
}

// `--userns-remap "$OWNER"`, where that is not set, must not become a container of root's.
void take_remap(const std::string& text, UsernsOptions& options) {
    if (text.empty()) throw std::invalid_argument("'': write OWNER, OWNER:OWNER, or auto");
    options.remap = text;
}

void add_map_option(OptionGroup& group, const std::string& name, std::vector<IdMap>& maps,
                    const std::string& help) {
    group.values(name, "CONTAINER:HOST:SIZE", help, [name, &maps](const std::string& text) {
        maps.push_back(parse_id_map(name, text));
    });
}

}  // namespace

void declare_userns_options(CLI::App& run, UsernsOptions& options) {
    OptionGroup group{run, "User namespace"};
    group.value("--userns-remap", "OWNER[:OWNER]",
                "root: ids are those of an owner in /etc/subuid (and one in /etc/subgid), or of "
                "the engine's own: auto",
                [&options](const std::string& text) { take_remap(text, options); });
    add_map_option(group, "--uidmap", options.uidmap, "a range of uids: inside, outside, how many");
    add_map_option(group, "--gidmap", options.gidmap,
                   "a range of gids; as --uidmap when not given");
    group.value("--rootless", "MODE",
                "ordinary user: fit the config to what you may do; ids: auto, single, subids",
                [&options](const std::string& word) { options.rootless = parse_rootless(word); });
    group.flag("--idmap-rootfs", "show the root's files as the container's own, without a chown",
               options.idmap_rootfs);
    group.values("--bind", "SPEC",
                 "show a path of the host inside: SRC:DST[:ro,idmap,...]; idmap: its files belong "
                 "to the container's ids",
                 options.binds);
}

}  // namespace tenon
