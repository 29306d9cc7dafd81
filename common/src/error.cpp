// An error message is written for the person who must act on it: call, subject, reason.
#include "tenon/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace tenon {

namespace {

std::string message_of(int error, std::string_view call, std::string_view subject) {
    return fmt::format("{}{}{}: {} ({})", call, subject.empty() ? "" : " ", subject,
                       errno_name(error), std::generic_category().message(error));
}

}  // namespace

SysError::SysError(int error, std::string_view call, std::string_view subject)
    : std::system_error(error, std::generic_category()),
      call_(call),
      subject_(subject),
      message_(message_of(error, call, subject)) {}

long check(long rc, std::string_view call, std::string_view subject) {
    if (rc < 0) throw SysError(errno, call, subject);
    return rc;
}

std::string errno_name(int error) {
    const char* name = ::strerrorname_np(error);
    return name != nullptr ? name : fmt::format("errno {}", error);
}

}  // namespace tenon
