/// @file
/// Chapter 08: the labels of the Linux security modules.
///
/// AppArmor and SELinux judge by a label that a process carries, whatever its uid and its
/// capabilities. A runtime only names the label; the rules behind it are the machine's. The label
/// is for the program, not for us: it is written to /proc/thread-self/attr/exec and takes effect
/// at execve. Where the module is not there, the container is refused: it would run without a
/// protection that somebody asked for.
#pragma once

#include <string>

#include "tenon/fd.hpp"
#include "tenon/mount_plan.hpp"

namespace tenon {

/// What config.json asks for; empty: nothing.
struct LsmLabels {
    std::string apparmor_profile;  ///< process.apparmorProfile: `tenon-default`, `unconfined`
    std::string selinux_label;     ///< process.selinuxLabel: `system_u:system_r:container_t:s0`
    std::string mount_label;       ///< linux.mountLabel
};

/// Which modules this kernel runs.
struct LsmSupport {
    bool apparmor = false;
    bool selinux = false;
};

/// @param proc, sys  /proc and /sys; tests give others
/// @throws SysError  openat, read, but for a file that is not there
LsmSupport read_lsm_support(FdRef proc, FdRef sys);
/// Of the machine. Parent side.
LsmSupport own_lsm_support();

/// @throws std::invalid_argument  a label whose module the kernel does not run, or that cannot be
///         one: it has a NUL byte, a newline or a blank
void check_labels(const LsmLabels& labels, const LsmSupport& support);

/// Gives the file systems that the container gets for itself the label, as `context=`: SELinux
/// would give their files one that the container may not touch. Those whose labels the kernel
/// makes (proc, sysfs, cgroup2, mqueue) are left alone. @see \man{mount,8}, context
void apply_mount_label(const std::string& label, MountPlan& plan);

/// The host's /proc, which is held open from before the child is made: the container's may be
/// anything (CVE-2019-16884). @throws std::runtime_error  /proc is no procfs; SysError  openat
UniqueFd open_host_proc();

/// Child side: the next execve gives the program its labels.
/// @param proc  open_host_proc(); not looked at when there is nothing to write
/// @throws SysError  openat2: ENOENT; apply label: ENOENT (no such profile is loaded), EINVAL,
/// EACCES
/// @see \man{proc_pid_attr,5}
void write_exec_labels(const LsmLabels& labels, const LsmSupport& support, FdRef proc);

}  // namespace tenon
