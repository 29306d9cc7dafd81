#include "tenon/error.hpp"

#include <cerrno>

#include "catch.hpp"
#include "tenon/hints.hpp"

namespace tenon::test {

TEST_CASE("SysError says call, subject and the kernel's reason") {
    const SysError error(ENOENT, "openat", "/nowhere");
    CHECK(std::string{error.what()} == "openat /nowhere: ENOENT (No such file or directory)");
    CHECK(error.error() == ENOENT);
    CHECK(error.call() == "openat");
    CHECK(error.subject() == "/nowhere");
    CHECK(error.code() == std::errc::no_such_file_or_directory);
}

TEST_CASE("SysError without a subject has no gap") {
    CHECK(std::string{SysError(EPERM, "clone3").what()} ==
          "clone3: EPERM (Operation not permitted)");
}

TEST_CASE("errno_name knows names and shows numbers it does not know") {
    CHECK(errno_name(EAGAIN) == "EAGAIN");
    CHECK(errno_name(4095) == "errno 4095");
}

TEST_CASE("check returns a result and throws the errno of a failure") {
    CHECK(check(7, "read") == 7);
    CHECK(check(0, "read") == 0);
    errno = EBADF;
    CHECK_THROWS_AS(check(-1, "read", "x"), SysError);
}

TEST_CASE("hint_for prefers the call's own advice") {
    CHECK(hint_for(SysError(EINVAL, "sethostname", "x")).find("64 bytes") != std::string::npos);
    CHECK_FALSE(hint_for(SysError(ENOSYS, "some_new_call")).empty());
    CHECK(hint_for(SysError(EXFULL, "some_call")).empty());
}

}  // namespace tenon::test
