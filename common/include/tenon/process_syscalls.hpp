/// @file
/// Thin wrappers over the calls by which a process changes what it is: limits, priorities, ids,
/// umask. Same rules as syscalls.hpp.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

#include "tenon/fd.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

/// The caller's own limit. 2^64 - 1 is no limit. @param name  for people: `RLIMIT_NOFILE`
/// @throws SysError  prlimit: EPERM (raised above the hard limit without CAP_SYS_RESOURCE), EINVAL
///         (soft above hard). @see \man{prlimit,2}
void set_own_limit(int resource, std::uint64_t soft, std::uint64_t hard, CString name);

/// A limit's two values.
struct ProcessLimit {
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};
/// Those of another process. @throws SysError  prlimit: ESRCH, EPERM. @see \man{prlimit,2}
ProcessLimit limit_of(pid_t process, int resource);
/// Raises the hard limit of another process, and leaves its soft one.
/// @throws SysError  prlimit: EPERM (without CAP_SYS_RESOURCE)
void raise_hard_limit(pid_t process, int resource, std::uint64_t hard);

/// What \man{sched_setattr,2} takes; glibc 2.36 has no name for it.
struct SchedulerAttributes {
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;   ///< ns; SCHED_DEADLINE
    std::uint64_t deadline = 0;  ///< ns
    std::uint64_t period = 0;    ///< ns
};
/// @throws SysError  sched_setattr: EPERM (CAP_SYS_NICE), EINVAL. @param name  of the policy
void sched_setattr(const SchedulerAttributes& attributes, CString name);

/// @param value  class and level, as the kernel packs them. @see \man{ioprio_set,2}
void set_own_io_priority(int value, CString name);

/// @see \man{personality,2}
void personality(unsigned long persona, CString name);

/// Which memory nodes are used. @param nodes  a bit mask. @see \man{set_mempolicy,2}
void set_mempolicy(int mode, std::span<const unsigned long> nodes, CString name);

/// On which CPUs the caller runs. @param cpus  a bit mask; those that there are not, or that its
/// cpuset does not allow, are passed over. @see \man{sched_setaffinity,2}
/// @throws SysError  sched_setaffinity: EINVAL (none is left)
void sched_setaffinity(std::span<const unsigned long> cpus);

/// @return the one before. @see \man{umask,2}
mode_t umask(mode_t mask);
/// While it lives, what is made has exactly the mode that was asked for.
class UmaskAside {
  public:
    UmaskAside() : before_(umask(0)) {}
    ~UmaskAside() { umask(before_); }
    UmaskAside(const UmaskAside&) = delete;
    UmaskAside& operator=(const UmaskAside&) = delete;

  private:
    mode_t before_;
};

/// A new session keyring for the caller and its children, or the one of that name.
/// @throws SysError  keyctl: EDQUOT, ENOSYS. @see \man{keyctl,2}, KEYCTL_JOIN_SESSION_KEYRING
void join_session_keyring(CString name);

/// The working directory as the kernel says it: `(unreachable)/...` when it lies outside the root.
/// @see \man{getcwd,2}, "C library/kernel differences"
std::string getcwd();

/// Replaces the supplementary groups. @throws SysError  setgroups: EPERM, EINVAL
void setgroups(std::span<const gid_t> groups);
/// Real, effective and saved one. @throws SysError  setresgid: EPERM, EINVAL (not mapped)
void setresgid(gid_t gid);
/// @throws SysError  setresuid: EPERM, EINVAL (not mapped), EAGAIN
void setresuid(uid_t uid);

}  // namespace tenon::sys
