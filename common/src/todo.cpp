// An unwritten exercise fails loudly, with its number and the next command.
#include "tenon/todo.hpp"

#include <fmt/format.h>

namespace tenon {

NotImplemented::NotImplemented(std::string_view exercise_id)
    : std::logic_error(fmt::format("exercise {0} is not written yet: edit your copy in work/, or "
                                   "ask ./course hint {0}",
                                   exercise_id)),
      exercise_id_(exercise_id) {}

void todo(std::string_view exercise_id) {
    throw NotImplemented(exercise_id);
}

}  // namespace tenon
