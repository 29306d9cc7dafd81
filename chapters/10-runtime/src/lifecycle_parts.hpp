// The parts of a container's operations. Internal to chapter 10.
#pragma once

#include "tenon/container.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

// The process that has this pid now, as one of its threads that live. Nothing where there is none.
std::optional<ProcessFacts> look_at_process(pid_t pid);

// Where the container's group is. Throws ContainerError  it is no cgroup2 mount any more
CgroupHierarchy open_recorded_hierarchy(const ContainerRecord& record);

// plan_launch() on this machine, for `spec` as its caller may have it: ids of an ordinary user's
// container are filled in.
LaunchPlan plan_here(oci::Spec& spec, const LaunchRequest& request, Extensions extensions);

// What is known before anything is made.
ContainerRecord record_for(const LaunchRequest& request, const Bundle& bundle);

// For launch(): the state of `record`, which must outlive it, with the pid of whoever asks.
StateOf teller_of(const ContainerRecord& record);

// Where the group is going to be, and which groups above it are going to be made for it.
void note_place(const LaunchPlan& plan, const CgroupHierarchy& hierarchy, const std::string& group,
                ContainerRecord& record);

// A socket in the folder; none for who is started by its maker.
UniqueFd gate_for(const ContainerFolder& folder, Begin begin);
// A connection with the container, which has been told to go on.
// Throws ContainerError where nobody listens any more.
SyncSocket pass_gate(const ContainerFolder& folder, const ContainerRecord& record);
void close_gate(const ContainerFolder& folder);

// The master, where the plan asks for a terminal.
UniqueFd take_terminal(const LaunchPlan& plan, Launched& launched);
// Pid and start time. Throws ContainerError  `container not running`
void note_process(pid_t pid, ContainerRecord& record);
// Pid, start time and groups of the child.
void note_child(const Launched& launched, ContainerRecord& record);
// Terminal and pid file, to whom the request names.
void hand_over(const LaunchRequest& request, FdRef terminal, pid_t pid);
// From here on the container lives without us, or with us as its starter.
Child let_go(Launched& launched, Begin begin);

void run_poststart(const ContainerRecord& record, const oci::Spec& spec);
// Each failure is a warning.
void run_poststop(const ContainerRecord& record, const oci::Spec& spec);

// Throws ContainerError  `container not running`
UniqueFd open_first_process(const ContainerRecord& record);
// SIGKILL, and waits; everybody else in its pid namespace goes with it. None is fine.
void end_first_process(const ContainerRecord& record);
void signal_everybody(const CgroupManager& group, int signal);

// The container's group with all that runs in it; those above, as far as they are empty.
void remove_groups(const ContainerRecord& record);

}  // namespace tenon
