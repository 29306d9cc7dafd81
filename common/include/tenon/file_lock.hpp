/// @file
/// A lock that dies with its owner.
///
/// Two commands at once must not hand out the same address, and one that was killed by SIGKILL must
/// not keep what it had for ever. flock(2) answers both: the kernel lets go of it when the last
/// descriptor of the open file is closed, however its process ends. So a locked file says "somebody
/// lives who owns this", and no pid is remembered that could be a stranger's by now.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "tenon/fd.hpp"

namespace tenon {

/// An exclusive flock(2) on a file, which is made where it is missing. Let go by the destructor, or
/// by the end of this process and of every copy of it that did not exec: a child that waits for its
/// exec keeps the lock, as it keeps what the lock protects. @see \man{flock,2}
class FileLock {
  public:
    /// Waits for it. @throws SysError  openat; flock: EINTR, ENOLCK
    static FileLock wait(FdRef directory, const std::string& name);
    /// Nothing when somebody else holds it. @param mode  of a file that is made, less the umask's
    /// bits  @throws SysError  openat; flock
    static std::optional<FileLock> try_now(FdRef directory, const std::string& name,
                                           mode_t mode = 0600);

    /// The same of a file or folder that is open. It may have been removed while we waited.
    static FileLock on(UniqueFd open, std::string_view name);

    /// Lets go of it now, also in copies of this process that still have it open.
    void release() const;

    /// Of the locked file: its content is the owner's.
    [[nodiscard]] FdRef file() const { return file_; }

  private:
    explicit FileLock(UniqueFd file) : file_(std::move(file)) {}
    UniqueFd file_;
};

}  // namespace tenon
