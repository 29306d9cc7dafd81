/// @file
/// The one exception type for a refused system call.
///
/// `pivot_root /run/x/rootfs: EINVAL (Invalid argument)`: what was tried, on what, and what the
/// kernel said, each kept apart so that the command line can add advice (hints.hpp) and a child
/// can send the error to its parent (sync_socket.hpp).
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace tenon {

/// A system call that failed. what() reads `call subject: ENAME (text)`.
class SysError : public std::system_error {
  public:
    /// @param error    an errno value, for example ENOENT
    /// @param call     the name of the system call, as its man page spells it
    /// @param subject  what it was called on: a path, a name, a pid; may be empty
    SysError(int error, std::string_view call, std::string_view subject = {});

    [[nodiscard]] int error() const { return code().value(); }
    [[nodiscard]] const std::string& call() const { return call_; }
    [[nodiscard]] const std::string& subject() const { return subject_; }
    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

  private:
    std::string call_;
    std::string subject_;
    std::string message_;
};

/// The only reader of errno: returns @p rc, or throws when it is negative.
/// @throws SysError  with the current errno
long check(long rc, std::string_view call, std::string_view subject = {});

/// `ENOENT` for 2; `errno 4095` for a number without a name.
std::string errno_name(int error);

}  // namespace tenon
