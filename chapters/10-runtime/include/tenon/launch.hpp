/// @file
/// Chapter 10, the contract of a launch: from a config to a process that waits for its start.
///
///     parent                                        child
///       | == clone3: all namespaces, into the group ==> |
///       |  id maps, extensions                          |  (only where something is to be done)
///       | -- Go ------------------------------------->  |
///       |                                               |  root of its namespace; sources, names,
///       |                                               |  kernel settings, mounts
///       | <- Ready "root" ---------------------------   |  (only with hooks of this moment)
///       |  prestart, createRuntime                      |
///       | -- Go ------------------------------------->  |
///       |                                               |  createContainer, pivot_root, session,
///       |                                               |  limits, privileges: all but the filter
///       | <- master, on a channel of its own ---------  |  (only with a terminal)
///       | <- Ready "start" --------------------------   |
///       |  state.json, pid file, console socket         |
///       | -- Go "gate" or "now" --------------------->  |
///       X  ends, or is in the way of start_now()        |
///                                                       |
///     start                                             |  listens at the gate
///       | == connect ================================>  |
///       | -- Go ------------------------------------->  |
///       |                                               |  startContainer, filter, execve
///       | <- Failed {errno, call, subject} -----------  |
///       | <- end of file: by exec ---------------------  |
///
/// Until Go "gate" the child dies with its parent: by its death signal, and from Ready "start" on
/// because it sees the end of the socket. So there is a container when state.json is there, and
/// else there is nothing.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/bundle_plan.hpp"
#include "tenon/container_group.hpp"
#include "tenon/extension.hpp"
#include "tenon/id_mappings.hpp"
#include "tenon/oci_spec.hpp"
#include "tenon/privileges.hpp"
#include "tenon/terminal.hpp"
#include "tenon/userns_options.hpp"

namespace tenon {

/// Where the master of a terminal goes.
enum class Console {
    None,    ///< nowhere: the config must not ask for a terminal
    Socket,  ///< to who listens at --console-socket
    Relay,   ///< to this process, which stays
};

/// What a launch is asked for besides the config.
struct LaunchRequest {
    std::string id;
    unsigned preserved_descriptors = 0;    ///< --preserve-fds: from 3 on
    std::vector<std::string> environment;  ///< LISTEN_FDS=2 ...: after the config's own
    bool own_group = true;    ///< else it stays in the caller's: --cgroup-manager=disabled
    bool new_keyring = true;  ///< a session keyring of its own
    /// --rootless: whether it does without a group where that is forbidden, if no limits are asked
    /// for. Unsaid: for everybody but root of the machine.
    std::optional<bool> rootless;
    bool moved_root = false;  ///< --no-pivot: see MountPlan::moved_root
    std::string pid_file;     ///< empty: none
    Console console = Console::None;
    std::string console_socket;  ///< for Console::Socket
    /// Who makes the filter of linux.seccomp.
    seccomp::Compiler filter_compiler = seccomp::by_libseccomp;
};

/// Who launches, and where.
struct Surroundings {
    CallerPowers powers;
    UsernsCaller caller;
};
/// Of this process. @param spec  what it is to launch
Surroundings own_surroundings(const oci::Spec& spec);

/// Everything a launch does, as data.
struct LaunchPlan {
    std::string id;
    std::string oci_version;
    std::map<std::string, std::string> annotations;
    oci::Process process;
    oci::Hooks hooks;
    BundlePlan parts;  ///< namespaces, mounts, group
    Privileges privileges;
    std::optional<TerminalRequest> terminal;
    unsigned preserved_descriptors = 0;
    bool own_group = true;
    GroupMaker* group_maker = nullptr;  ///< an extension that makes the group; none: the launch
    bool may_lack_group = false;        ///< see LaunchRequest::rootless
    bool new_keyring = true;
    seccomp::Compiler filter_compiler = seccomp::by_libseccomp;
    std::vector<std::string> warnings;  ///< what was asked for and cannot be had
};

/// /dev/core beside /dev/fd, for a machine whose kernel shows its memory there. Not where the
/// config has something else of that name.
void add_core_link(MountPlan& mounts);

/// Exercise 10.2. Pure: what chapters 01 to 09 have to do for @p spec, and nothing else.
/// @throws std::invalid_argument  what they refuse; a terminal that goes nowhere; a socket, and no
///         terminal
LaunchPlan plan_launch(const oci::Spec& spec, const LaunchRequest& request,
                       const Surroundings& here, Extensions extensions);

/// What is told to hooks, but for the pid.
using StateOf = std::function<std::string(std::string_view status, pid_t pid)>;

/// What a launch stands on. Both must outlive it.
struct LaunchGround {
    const Bundle& bundle;
    Extensions extensions;
    FdRef gate;     ///< a listening socket; invalid: nobody else starts it
    StateOf state;  ///< for hooks
    /// Parent side: where the group is going to be. From here on something has to be undone, also
    /// by somebody else, if we are killed.
    std::function<void(const CgroupHierarchy& hierarchy, const std::string& group)> on_place;
};

/// A container that waits for its start. Its destructor ends it, and removes its group.
struct Launched {
    std::optional<MadeGroup> group;
    TerminalChannel terminal;
    Child child;
};

/// Exercise 10.3. Parent side: everything up to Ready "start".
/// @throws what the child throws; SysError, std::runtime_error of each step; HookFailed
Launched launch(LaunchPlan& plan, const LaunchGround& ground);

/// What run_container() needs of what launch() has prepared.
struct ChildGround {
    const LaunchPlan& plan;
    const LaunchGround& launch;
    PreparedPrivileges& prepared;
    TerminalChannel& terminal;
    FdRef shared_mounts;  ///< the namespace of BundlePlan::shared_mounts; invalid: a new one
};

/// Exercise 10.4. Child side, right after the clone: everything that a container is, in order.
[[noreturn]] void run_container(const ChildGround& ground, SyncSocket& to_parent);

/// Whether @p hooks has some that run before the root changes, outside.
bool has_early_hooks(const oci::Hooks& hooks);

/// Child side: the death signal is taken back.
void outlive_parent();

// ---- the gate --------------------------------------------------------------------------------

inline constexpr const char* gate_name = "start";

/// Child side: Ready "start", then waits for Go; where that says "gate", for somebody who comes
/// through @p gate. Then @p to_parent is the connection with whoever starts us.
void wait_for_start(FdRef gate, SyncSocket& to_parent);

}  // namespace tenon
