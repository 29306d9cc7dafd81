/// @file
/// What stands in a starter where the learner's code belongs.
#pragma once

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

/// Marks an unwritten exercise: `TENON_TODO("01.2");`
#define TENON_TODO(exercise_id) ::tenon::todo(exercise_id)
