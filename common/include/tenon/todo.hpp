/// @file
/// What stands in a starter where the learner's code belongs.
///
/// With exceptions it is one. The init of chapter 07 is built without: there the program says so
/// itself, and ends.
#pragma once

#ifdef __cpp_exceptions

#include <stdexcept>
#include <string>
#include <string_view>

namespace tenon {

/// Thrown by an exercise that nobody has written yet. It travels from the child to the parent
/// like any error, so `./course check` can say which task was reached.
class NotImplemented : public std::logic_error {
  public:
    explicit NotImplemented(std::string_view exercise_id);
    [[nodiscard]] const std::string& exercise_id() const { return exercise_id_; }

  private:
    std::string exercise_id_;
};

/// @throws NotImplemented  always
[[noreturn]] void todo(std::string_view exercise_id);

}  // namespace tenon

#else

// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <stdio.h>
#include <unistd.h>
// NOLINTEND(modernize-deprecated-headers)

namespace tenon {

/// Says that the exercise is not written, and ends the process with Tenon's own exit code, 125.
[[noreturn]] inline void todo(const char* exercise_id) {
    dprintf(STDERR_FILENO, "NOT IMPLEMENTED %s\n", exercise_id);
    _exit(125);
}

}  // namespace tenon

#endif

/// Marks an unwritten exercise: `TENON_TODO("01.2");`
#define TENON_TODO(exercise_id) ::tenon::todo(exercise_id)
