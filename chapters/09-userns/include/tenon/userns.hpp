/// @file
/// Chapter 09, the contract: root that is not root.
///
/// A new user namespace has no ids. Whoever made it writes which of their ids it gets, while the
/// child waits; the child becomes root then, and only then makes use of what it may.
#pragma once

#include <sys/types.h>

#include <string>

#include "tenon/fd.hpp"
#include "tenon/id_mappings.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon {

// ---- the maps ------------------------------------------------------------------------------

/// Exercise 09.3. Writes the maps of @p child's user namespace. A caller with CAP_SETUID and
/// CAP_SETGID writes them itself, each with one write(2). Anyone else may write one line with their
/// own id, and has newuidmap(1) and newgidmap(1) write anything else: those are set-user-ID root
/// and grant what /etc/subuid and /etc/subgid say. Before a gid_map is written by somebody without
/// rights, setgroups is denied in the namespace.
/// @pre parent side, while the child waits
/// @throws std::invalid_argument  as check_id_map()
/// @throws SysError  openat, write: EPERM (an id that the caller does not have), EINVAL
/// @throws std::runtime_error  the program is missing, has no rights, or refuses; says why
void write_id_mappings(pid_t child, const IdMappings& mappings);

/// Runs newuidmap or newgidmap, named by @p program, for @p child.
/// @throws std::runtime_error  what went wrong and what to do
void run_map_program(const std::string& program, pid_t child, const std::vector<IdMap>& maps);

/// Exercise 09.4. Uid and gid 0, and no supplementary group where the namespace allows to leave
/// them. @pre child side, in a user namespace whose maps are written
/// @throws SysError  setresgid, setresuid: EINVAL (0 is not mapped)
void become_container_root();

/// Child side, first of all: become_container_root(), and again what the kernel forgets when a
/// process changes its ids: to die with its parent.
void enter_as_container_root(const SyncSocket& to_parent);

/// A user namespace with @p mappings and nobody in it, by its descriptor: made by a child that
/// ends. For idmapped mounts, which look at a namespace's maps only.
/// @throws as spawn() and write_id_mappings()
UniqueFd make_user_namespace(const IdMappings& mappings);

// ---- whether this machine lets us ----------------------------------------------------------

/// The switches that keep ordinary users from user namespaces.
struct UsernsPolicy {
    bool off = false;         ///< kernel.unprivileged_userns_clone = 0
    bool none_left = false;   ///< user.max_user_namespaces = 0
    bool restricted = false;  ///< AppArmor lets nobody without a profile have one
    std::string profile;      ///< AppArmor's profile of this process; empty: none
};
/// @param proc  an open /proc; tests give a folder of their own
UsernsPolicy read_userns_policy(FdRef proc);

/// Why a user namespace, or what is done in one, is refused on such a machine, and how to allow it;
/// empty when nothing stands in the way.
/// @param program  the path of the program that wants one
std::string explain(const UsernsPolicy& policy, bool privileged, const std::string& program);

}  // namespace tenon
