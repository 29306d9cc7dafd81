// pause: everybody in the group stands still.
#include "verbs.hpp"

namespace tenon::cli {

int pause(const Global& global, Words words) {
    load(global, only_id("pause", take_options(words, {}, Where::Anywhere))).pause();
    return 0;
}

}  // namespace tenon::cli
