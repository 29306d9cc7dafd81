// Options become words of config.json. Which of them exclude each other, and what every map must
// have so that a container can be made and its user can exist.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "rootless_spec.hpp"
#include "subid_lines.hpp"
#include "tenon/mount_plan.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/userns.hpp"
#include "tenon/userns_options.hpp"
#include "userns_spec.hpp"

namespace tenon {

namespace {

[[noreturn]] void refuse_option(const std::string& why) {
    throw std::invalid_argument(why);
}

// Root of a user namespace, as inside a container, has no ids but those that are mapped there.
bool is_root_of_the_machine(const UsernsCaller& caller) {
    return caller.privileged && caller.on_the_machine;
}

void check_combination(const UsernsOptions& options, const UsernsCaller& caller) {
    const bool by_hand = !options.uidmap.empty() || !options.gidmap.empty();
    const bool remapped = !options.remap.empty();
    const bool rootless = options.rootless != Rootless::Unsaid;
    if (by_hand + remapped + rootless > 1) {
        refuse_option(
            "--userns-remap, --uidmap and --rootless each say what the ids are: give one "
            "of them");
    }
    if (options.uidmap.empty() && by_hand) refuse_option("--gidmap needs --uidmap");
    if (remapped && !caller.privileged) {
        refuse_option("--userns-remap maps ids of others, which root may: use --rootless auto");
    }
    if (is_root_of_the_machine(caller) && rootless && options.rootless != Rootless::Auto) {
        refuse_option("--rootless single and subids are for ordinary users: use --userns-remap");
    }
}

// Nothing: the config's own.
std::optional<IdMappings> asked_mappings(const UsernsOptions& options, const UsernsCaller& caller,
                                         std::vector<std::string>& told) {
    if (!options.remap.empty()) return remap_mappings(options.remap, told);
    if (!options.uidmap.empty()) {
        return IdMappings{.uids = options.uidmap,
                          .gids = options.gidmap.empty() ? options.uidmap : options.gidmap};
    }
    if (options.rootless == Rootless::Unsaid || is_root_of_the_machine(caller)) return std::nullopt;
    return rootless_ids(options.rootless, caller);
}

void put_user_namespace(oci::Spec& spec, const IdMappings& mappings) {
    if (!spec.linux) spec.linux.emplace();
    if (oci::LinuxNamespace* user = user_namespace_in(spec); user == nullptr) {
        spec.linux->namespaces.push_back({.type = "user"});
    } else if (!user->path.empty()) {
        refuse_option(
            fmt::format("/linux/namespaces: the user namespace {} is joined, and has its "
                        "maps already",
                        user->path));
    }
    spec.linux->uid_mappings = mappings.uids;
    spec.linux->gid_mappings = mappings.gids;
}

// Chapter 02 judges the form; the words about ids are none of its own.
void add_bind(oci::Spec& spec, const std::string& text) {
    const std::vector<std::string_view> parts = split(text, ':');
    std::vector<std::string> words;
    std::string plain;
    if (parts.size() > 2) {
        for (const std::string_view word : split(parts[2], ',')) {
            words.emplace_back(word);
            if (word == "idmap" || word == "ridmap") continue;
            plain += fmt::format("{}{}", plain.empty() ? ":" : ",", word);
        }
    }
    if (parts.size() > 3) refuse_option(fmt::format("--bind '{}': write SRC:DST[:options]", text));
    const std::string rest = parts.size() > 1 ? fmt::format(":{}{}", parts[1], plain) : "";
    const MountStep step = parse_bind(fmt::format("{}{}", parts[0], rest));
    words.emplace_back(step.recursive ? "rbind" : "bind");
    spec.mounts.push_back({.destination = step.target,
                           .type = "bind",
                           .source = std::filesystem::absolute(step.source).native(),
                           .options = std::move(words)});
}

[[noreturn]] void refuse_unmapped(const char* pointer, std::uint32_t id, const char* map) {
    throw std::invalid_argument(
        fmt::format("{}: id {} is not in {}: add it there, or take another one", pointer, id, map));
}

void check_user(const oci::User& user, const IdMappings& mappings) {
    if (!to_host(mappings.uids, user.uid)) {
        refuse_unmapped("/process/user/uid", user.uid, "/linux/uidMappings");
    }
    if (!to_host(mappings.gids, user.gid)) {
        refuse_unmapped("/process/user/gid", user.gid, "/linux/gidMappings");
    }
    for (const std::uint32_t gid : user.additional_gids) {
        if (to_host(mappings.gids, gid)) continue;
        refuse_unmapped("/process/user/additionalGids", gid, "/linux/gidMappings");
    }
}

// An ordinary user's single gid is mapped at the price of setgroups. user_namespaces(7)
void check_groups(const oci::User& user, const IdMappings& mappings, const UsernsCaller& caller) {
    if (caller.privileged || mappings.gids.size() != 1 || mappings.gids[0].size != 1) return;
    if (user.additional_gids.empty()) return;
    throw std::invalid_argument(
        "/process/user/additionalGids: with one gid mapped, an ordinary user cannot set groups "
        "(setgroups is denied): leave them out, or map subordinate gids: --rootless subids, or "
        "/linux/gidMappings");
}

void check_mappings(const oci::Spec& spec) {
    const IdMappings mappings = mappings_of(spec);
    check_id_map(mappings.uids, "/linux/uidMappings");
    check_id_map(mappings.gids, "/linux/gidMappings");
    if (!to_host(mappings.uids, 0) || !to_host(mappings.gids, 0)) {
        throw std::invalid_argument(
            "/linux/uidMappings, /linux/gidMappings: id 0 must be mapped: "
            "the container is made by its root");
    }
}

bool has_mappings(const oci::Spec& spec) {
    return spec.linux && (!spec.linux->uid_mappings.empty() || !spec.linux->gid_mappings.empty());
}

// A config that asks for a namespace and says nothing of ids: root's own would all be inside.
void check_new_namespace(oci::Spec& spec, const UsernsCaller& caller) {
    const oci::LinuxNamespace* user = user_namespace_in(spec);
    if (user == nullptr) {
        if (!caller.privileged) {
            throw std::invalid_argument(
                "/linux/namespaces: there is no user namespace, and without one the others are "
                "root's: add --rootless auto");
        }
        if (!has_mappings(spec)) return;
        throw std::invalid_argument(
            "/linux/uidMappings: maps need a user namespace: add {\"type\": "
            "\"user\"} to /linux/namespaces");
    }
    if (!user->path.empty()) {
        if (!has_mappings(spec)) return;
        throw std::invalid_argument(
            "/linux/uidMappings: the user namespace is joined by its path, "
            "and has its maps already: leave out one of both");
    }
    if (!has_mappings(spec)) {
        if (is_root_of_the_machine(caller)) {
            throw std::invalid_argument(
                "/linux/uidMappings: a new user namespace has no ids: write "
                "which, or use --userns-remap or --uidmap");
        }
        put_user_namespace(spec, rootless_ids(Rootless::Single, caller));
    }
    check_mappings(spec);
}

}  // namespace

oci::LinuxNamespace* user_namespace_in(oci::Spec& spec) {
    if (!spec.linux) return nullptr;
    auto& all = spec.linux->namespaces;
    const auto found = std::find_if(
        all.begin(), all.end(), [](const oci::LinuxNamespace& ns) { return ns.type == "user"; });
    return found == all.end() ? nullptr : &*found;
}

const oci::LinuxNamespace* user_namespace_in(const oci::Spec& spec) {
    return user_namespace_in(const_cast<oci::Spec&>(spec));
}

bool has_new_user_namespace(const oci::Spec& spec) {
    const oci::LinuxNamespace* user = user_namespace_in(spec);
    return user != nullptr && user->path.empty();
}

IdMappings mappings_of(const oci::Spec& spec) {
    if (!spec.linux) return {};
    return {.uids = spec.linux->uid_mappings, .gids = spec.linux->gid_mappings};
}

std::vector<std::string> apply_userns_options(const UsernsOptions& options,
                                              const UsernsCaller& caller, oci::Spec& spec) {
    check_combination(options, caller);
    std::vector<std::string> told;
    if (options.rootless != Rootless::Unsaid) told = caller.problems;
    const std::optional<IdMappings> asked = asked_mappings(options, caller, told);
    if (asked) put_user_namespace(spec, *asked);
    if (options.rootless != Rootless::Unsaid && !is_root_of_the_machine(caller)) {
        for (std::string& change : fit_to_user(spec)) told.push_back(std::move(change));
    }
    for (const std::string& bind : options.binds) add_bind(spec, bind);
    check_new_namespace(spec, caller);
    return told;
}

void check_container_user(const oci::Spec& spec, const UsernsCaller& caller) {
    if (!spec.process || !has_new_user_namespace(spec)) return;
    const IdMappings mappings = mappings_of(spec);
    check_user(spec.process->user, mappings);
    check_groups(spec.process->user, mappings, caller);
}

void use_mappings(const oci::Spec& spec, const UsernsCaller& caller, NamespaceOptions& namespaces) {
    if (!namespaces.create.contains(Namespace::User)) return;
    const UniqueFd proc = sys::openat(FdRef::working_directory(), "/proc", O_PATH | O_DIRECTORY);
    const std::string obstacle =
        explain(read_userns_policy(proc), caller.privileged, sys::readlinkat(proc, "self/exe"));
    if (!obstacle.empty()) throw std::runtime_error(obstacle);
    namespaces.write_maps = [mappings = mappings_of(spec)](pid_t child) {
        write_id_mappings(child, mappings);
    };
}

}  // namespace tenon
