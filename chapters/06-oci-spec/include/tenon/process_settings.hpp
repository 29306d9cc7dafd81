/// @file
/// Chapter 06, the process itself: priorities, working directory, limits, user. Chapter 08 adds
/// what it may do.
///
/// Two moments: while the host's /proc is still there, and when the container's root is. The order
/// of a child is apply_kernel_settings, (the root,) enter_working_directory, apply_process_limits,
/// become_user: each takes away what the ones before it need.
#pragma once

#include <vector>

#include "tenon/namespace_options.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon {

/// Parent side. Refuses sysctls that are not of a namespace, and those whose namespace is, by its
/// path, our own. @throws std::invalid_argument, SysError  open namespace
void check_sysctls(const oci::Spec& spec);

/// Child side, in its namespaces, before the root changes: sysctls, oom_score_adj, scheduler, I/O
/// priority, memory policy, personality. The host's /proc is used: the container's may be anything.
/// @param namespaces  those that the container really gets; a sysctl of another one is the host's
/// @throws SysError  openat2, write; sched_setattr, ioprio_set: EPERM; the subject names the
///         setting
/// @throws std::invalid_argument  a sysctl that is not of a namespace which is the container's own
void apply_kernel_settings(const oci::Spec& spec, const NamespaceOptions& namespaces);

/// The part of it that a process can do only while its files in /proc are its own: for who gives
/// them up, before that. @throws SysError  write: EACCES
void apply_oom_score_adj(const oci::Process& process);

/// Child side, before the root changes: makes process.cwd in @p root where it is missing, because
/// later that may be read-only. What cannot be made is told by enter_working_directory().
void make_working_directory(FdRef root, const oci::Process& process);

/// Child side, in the container's root: enters process.cwd, made where it is missing.
/// @throws SysError  chdir: EACCES, ENOTDIR, ELOOP (through /proc/self/fd). A directory outside the
///         root is refused: ENOENT (CVE-2024-21626)
void enter_working_directory(const oci::Process& process);

/// The hard limits that are asked for, by their numbers.
/// @throws std::invalid_argument  an unknown name
std::vector<HardLimit> hard_limits_of(const oci::Process& process);

/// Child side, once nothing of ours needs more: umask and rlimits.
/// @throws SysError  prlimit: EPERM (raised above the caller's hard limit) ...
void apply_process_limits(const oci::Process& process);

/// Child side: groups, gid and uid, in this order. What capabilities survive is the kernel's rule:
/// none, for a uid other than 0. The death signal of spawn() is asked for again; that the parent
/// has ended in between is for die_with_parent() to see. @throws SysError  setgroups, setresgid,
/// setresuid: EINVAL, EPERM
void become_user(const oci::User& user);

}  // namespace tenon
