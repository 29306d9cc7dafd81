#include "tenon/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>

#include "catch.hpp"
#include "descriptors.hpp"

namespace tenon::test {

namespace {

int open_null() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static_assert(!std::is_copy_constructible_v<UniqueFd> && !std::is_copy_assignable_v<UniqueFd>);
static_assert(std::is_nothrow_move_constructible_v<UniqueFd>);
static_assert(std::is_nothrow_move_assignable_v<UniqueFd>);

}  // namespace

TEST_CASE("FdRef is invalid until it refers to something") {
    CHECK_FALSE(FdRef{}.valid());
    CHECK(FdRef{0}.valid());
    CHECK(FdRef{7}.number() == 7);
    CHECK(FdRef::working_directory().valid());
    CHECK(FdRef::working_directory().number() == AT_FDCWD);
}

TEST_CASE("FdRef closes nothing") {
    const UniqueFd owner{open_null()};
    { [[maybe_unused]] const FdRef loan = owner; }
    CHECK(is_open(owner.ref().number()));
}

TEST_CASE("UniqueFd closes at the end of its scope") {
    const int number = open_null();
    {
        const UniqueFd owner{number};
        CHECK(owner.valid());
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("UniqueFd without a descriptor closes nothing") {
    const auto before = open_descriptors();
    {
        const UniqueFd none;
        const UniqueFd failed{-1};
        CHECK_FALSE(none.valid());
        CHECK_FALSE(failed.valid());
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("UniqueFd moves its descriptor and forgets it") {
    const int number = open_null();
    UniqueFd first{number};
    {
        const UniqueFd second{std::move(first)};
        CHECK_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): that is the question
        CHECK(second.ref().number() == number);
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("UniqueFd assigned to closes what it had and owns the new one") {
    const int old_number = open_null();
    const int new_number = open_null();
    UniqueFd target{old_number};
    UniqueFd source{new_number};
    target = std::move(source);
    CHECK_FALSE(is_open(old_number));
    CHECK(is_open(new_number));
    CHECK(target.ref().number() == new_number);
    CHECK_FALSE(source.valid());  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("UniqueFd assigned to itself keeps its descriptor") {
    const int number = open_null();
    UniqueFd owner{number};
    UniqueFd& same = owner;
    owner = std::move(same);
    CHECK(owner.ref().number() == number);
    CHECK(is_open(number));
}

TEST_CASE("UniqueFd released leaves the descriptor to the caller") {
    int number = -1;
    {
        UniqueFd owner{open_null()};
        number = owner.release();
        CHECK_FALSE(owner.valid());
    }
    CHECK(is_open(number));
    ::close(number);
}

TEST_CASE("UniqueFd closes exactly once, also when its number is in use again") {
    UniqueFd owner{open_null()};
    const int number = owner.ref().number();
    SECTION("reset twice") {
        owner.reset();
        CHECK_FALSE(is_open(number));
        const UniqueFd other{::dup3(STDERR_FILENO, number, O_CLOEXEC)};
        owner.reset();
        CHECK(is_open(number));
    }
    SECTION("reset, then destroyed") {
        UniqueFd other;
        {
            UniqueFd inner{std::move(owner)};
            inner.reset();
            other = UniqueFd{::dup3(STDERR_FILENO, number, O_CLOEXEC)};
        }
        CHECK(is_open(number));
    }
    SECTION("moved from, then assigned") {
        { const UniqueFd taken{std::move(owner)}; }
        const UniqueFd other{::dup3(STDERR_FILENO, number, O_CLOEXEC)};
        owner = UniqueFd{};  // NOLINT(bugprone-use-after-move)
        CHECK(is_open(number));
    }
}

TEST_CASE("UniqueFd keeps errno, even when close fails") {
    const int number = open_null();
    ::close(number);
    UniqueFd broken{number};  // close will say EBADF
    errno = ENOTTY;
    broken.reset();
    const int after_reset = errno;
    CHECK(after_reset == ENOTTY);
    errno = EXDEV;
    { const UniqueFd again{number}; }
    const int after_destructor = errno;
    CHECK(after_destructor == EXDEV);
}

}  // namespace tenon::test
