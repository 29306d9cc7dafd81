/// @file
/// Thin wrappers over the system calls of processes, namespaces and files.
///
/// Each has the name of its man page, takes FdRef and returns UniqueFd, throws SysError with the
/// call and its subject, opens close-on-exec, and can report itself to the trace (trace.hpp).
/// Nothing here decides anything. The mount API is in mount_syscalls.hpp.
///
/// Wrappers allocate nothing on success, so they may be used between clone and exec.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon::sys {

/// A loan of a NUL-terminated string: a literal, a std::string or a path, without a copy.
class CString {
  public:
    // NOLINTBEGIN(google-explicit-constructor): a loan at a call's argument, nothing more
    CString(const char* text) : text_(text) {}
    CString(const std::string& text) : text_(text.c_str()) {}
    CString(const std::filesystem::path& path) : text_(path.c_str()) {}
    // NOLINTEND(google-explicit-constructor)
    [[nodiscard]] const char* c_str() const { return text_; }
    [[nodiscard]] std::string_view view() const { return text_; }

  private:
    const char* text_;
};

// ---- processes and namespaces -------------------------------------------------------------

/// What clone3 is asked for. No CLONE_VM: the child has a copy of the memory and may allocate.
struct CloneRequest {
    std::uint64_t flags = 0;           ///< CLONE_NEW* and CLONE_PARENT; CLONE_PIDFD is added
    std::optional<FdRef> into_cgroup;  ///< cgroup v2 directory for the child (CLONE_INTO_CGROUP)
};

/// In the parent: the child's pid in the parent's pid namespace, and its pidfd. In the child:
/// pid 0 and no pidfd.
struct CloneResult {
    pid_t pid = 0;
    UniqueFd pidfd;
};

/// @throws SysError  clone3: EPERM (no CAP_SYS_ADMIN and no new user namespace), ENOSPC (limit of
///         /proc/sys/user/max_*_namespaces), EINVAL, EAGAIN. @see \man{clone,2} \man{namespaces,7}
CloneResult clone3(const CloneRequest& request);

/// Joins the namespace that @p target refers to. @param flags  the CLONE_NEW* it must be, or 0
/// @throws SysError  setns: EINVAL (wrong kind), EPERM. @see \man{setns,2}
void setns(FdRef target, std::uint64_t flags, CString subject);
/// The CLONE_NEW* of the namespace that @p file stands for. @see \man{ioctl_ns,2}, NS_GET_NSTYPE
std::uint64_t namespace_type(FdRef file);
/// @see \man{unshare,2}
void unshare(std::uint64_t flags);

/// @throws SysError  pidfd_open: ESRCH when there is no such process. @see \man{pidfd_open,2}
UniqueFd pidfd_open(pid_t pid);
/// @throws SysError  pidfd_send_signal: ESRCH when the process is gone
void pidfd_send_signal(FdRef pidfd, int signal);
/// Waits for the process behind @p pidfd to end and reaps it. Restarts after EINTR.
/// @throws SysError  waitid: ECHILD (not our child, or reaped already). @see \man{waitid,2}
siginfo_t waitid(FdRef pidfd);

/// @throws SysError  sethostname: EINVAL (longer than 64 bytes), EPERM. @see \man{sethostname,2}
void sethostname(std::string_view name);
/// @throws SysError  setdomainname: EINVAL, EPERM. @see \man{setdomainname,2}
void setdomainname(std::string_view name);

/// Asks for @p signal when the parent ends. @see \man{prctl,2}, PR_SET_PDEATHSIG
void set_parent_death_signal(int signal);
/// The one that was asked for; 0: none. @see \man{prctl,2}, PR_GET_PDEATHSIG
int parent_death_signal();

/// Keeps other processes of the same user, and of a user namespace that is entered, from looking
/// into this one, until it becomes another program. @see \man{prctl,2}, PR_SET_DUMPABLE
void forbid_inspection();
/// The opposite: after a change of ids, whose price is that the files in /proc/PID are the host's
/// root's, they are the process's own again.
void permit_inspection();

/// Uid and gid 0 of the caller's user namespace, in all three sets each.
/// @throws SysError  setresgid, setresuid: EINVAL (0 is not mapped there), EPERM
void become_root();
/// Gives up every supplementary group. @throws SysError  setgroups: EPERM
void drop_groups();

/// Whether this thread has @p capability (a CAP_* number) in its effective set.
/// @see \man{capabilities,7}
bool has_effective_capability(int capability);

/// Replaces this process; returns only by throwing.
/// @throws SysError  execve: ENOENT, EACCES, ENOEXEC ... @see \man{execve,2}
[[noreturn]] void execve(CString path, char* const* argv, char* const* envp);

/// Marks every descriptor from @p first on close-on-exec. @see \man{close_range,2}
void close_range_cloexec(unsigned first);

// ---- files --------------------------------------------------------------------------------

/// Another descriptor of the same open file. @see \man{fcntl,2}, F_DUPFD_CLOEXEC
UniqueFd duplicate(FdRef file);
/// O_CLOEXEC is added. @throws SysError  openat. @see \man{openat,2}
UniqueFd openat(FdRef directory, CString path, int flags, mode_t mode = 0);
/// Opens with a restricted walk. O_CLOEXEC is added. @param resolve  RESOLVE_* bits
/// @throws SysError  openat2: ENOENT, ELOOP, EXDEV (the path leaves the directory), EAGAIN (renames
///         raced with `..` again and again). @see \man{openat2,2}
UniqueFd openat2(FdRef directory, CString path, int flags, std::uint64_t resolve);

/// @see \man{mkdir,2}
void mkdirat(FdRef directory, CString path, mode_t mode);
/// @throws SysError  mknodat: EPERM (a device, in a user namespace). @see \man{mknod,2}
void mknodat(FdRef directory, CString path, mode_t mode, dev_t device);
/// @see \man{symlink,2}
void symlinkat(CString target, FdRef directory, CString path);
/// The text of a symbolic link, up to PATH_MAX bytes.
/// @throws SysError  readlinkat: EINVAL (no link), ENOENT. @see \man{readlink,2}
std::string readlinkat(FdRef directory, CString path);
/// @param subject  where it leads, for error messages. @see \man{chdir,2}
void fchdir(FdRef directory, CString subject);
/// @see \man{chmod,2}
void fchmodat(FdRef directory, CString path, mode_t mode);
/// @param flags  0, or AT_REMOVEDIR for a directory. @see \man{unlink,2} \man{rmdir,2}
void unlinkat(FdRef directory, CString path, int flags);
/// @see \man{fstat,2}
struct stat fstat(FdRef file);
/// @throws SysError  stat: ENOENT. @see \man{stat,2}
struct stat stat(CString path);
/// The type of the file system that holds @p file: a *_MAGIC number. @see \man{fstatfs,2}
long file_system_type(FdRef file);
/// The value of an extended attribute, at most 256 bytes; empty when there is none.
/// @see \man{getxattr,2} \man{xattr,7}
std::string fgetxattr(FdRef file, CString name);
/// The names of the directories in @p directory, without . and ..; in no order.
std::vector<std::string> directories_in(FdRef directory);

/// Waits until @p file has an exceptional condition (POLLPRI): for a file of cgroupfs or sysfs,
/// that it changed since it was last read through this descriptor. @return false  after @p timeout,
/// or when a signal handler ran. @see \man{poll,2}
bool poll_for_change(FdRef file, std::chrono::milliseconds timeout);
/// Waits until there is something to read from @p file. @return false  as of poll_for_change()
bool poll_for_input(FdRef file, std::chrono::milliseconds timeout);
/// Reads up to @p size bytes from the beginning, wherever the descriptor stands.
std::string pread_start(FdRef file, std::size_t size);

/// Exactly one write(2). @throws SysError  write; a short write is EIO
void write_once(FdRef file, std::string_view data, std::string_view subject);

}  // namespace tenon::sys
