// The parts of run_container(). Internal to chapter 10. All child side.
#pragma once

#include "tenon/launch.hpp"

namespace tenon {

// A session keyring named after the container: its keys are not its starter's. Kernels without
// keyrings have nothing to keep apart. session-keyring(7)
void join_new_keyring(const std::string& id);

// Where the container shares a mount namespace: into a copy of it, in which its root is made.
void copy_shared_mounts(const ChildGround& ground);
// And with that root, which is "/" in the copy, to where it was copied from.
void enter_shared_mounts(const ChildGround& ground);

// In a network namespace of the container's own.
void bring_up_loopback(const NamespaceOptions& namespaces);

// Waits for the hooks that run outside, as far as there are some, and runs createContainer.
void let_hooks_see(const ChildGround& ground, SyncSocket& to_parent);

// Those of startContainer.
void run_start_hooks(const ChildGround& ground, const std::vector<std::string>& environment);

void ask_extensions(const ChildGround& ground, ChildStage stage);

// With the terminal that the plan asks for, or without one.
void enter_session(const ChildGround& ground);

// The program's environment. Engines that do not name a HOME count on the runtime to look it up in
// the container's /etc/passwd; `/` where that has nothing to say. Called in the container's root.
std::vector<std::string> environment_of(const oci::Process& process);

// The home of a user in the text of a passwd file. By number only: somebody called "0" is not root
// (CVE-2016-3697). passwd(5)
std::string home_in(std::string_view passwd, uid_t uid);

// The state as it is told to hooks in here: "the pid as seen by the container".
// runtime-spec runtime.md, "State"
std::string state_inside(const ChildGround& ground, std::string_view status);

}  // namespace tenon
