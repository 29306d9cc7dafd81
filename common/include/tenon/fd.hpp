/// @file
/// Ownership of file descriptors.
///
/// A leaked descriptor is the shortest way out of a container (CVE-2024-21626 was one), so a
/// raw `int` never leaves common/: a function that only uses a descriptor takes an FdRef, a
/// function that keeps or returns one has a UniqueFd. Every descriptor Tenon opens is
/// close-on-exec from birth.
#pragma once

#include <fcntl.h>

#include <utility>

namespace tenon {

/// A descriptor that somebody else owns. Copying it is free and closes nothing.
class FdRef {
  public:
    constexpr FdRef() = default;
    constexpr explicit FdRef(int number) : number_(number) {}

    /// The calling process's working directory, for the *at() calls. @see \man{openat,2}
    static constexpr FdRef working_directory() { return FdRef{AT_FDCWD}; }

    [[nodiscard]] constexpr int number() const { return number_; }
    [[nodiscard]] constexpr bool valid() const { return number_ >= 0 || number_ == AT_FDCWD; }

  private:
    int number_ = -1;
};

/// The one owner of a descriptor: moves, never copies, closes once.
class UniqueFd {
  public:
    constexpr UniqueFd() = default;
    explicit UniqueFd(int number) : number_(number) {}
    UniqueFd(UniqueFd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept;
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    [[nodiscard]] FdRef ref() const { return FdRef{number_}; }
    operator FdRef() const { return ref(); }  // NOLINT(google-explicit-constructor): a loan
    [[nodiscard]] bool valid() const { return number_ >= 0; }

    /// Gives the descriptor away; the caller closes it.
    [[nodiscard]] int release() { return std::exchange(number_, -1); }

    /// Closes now. Keeps errno, and never retries: after EINTR the descriptor is already gone
    /// and its number may belong to somebody else. @see \man{close,2}, "Dealing with error returns"
    void reset() noexcept;

  private:
    int number_ = -1;
};

}  // namespace tenon
