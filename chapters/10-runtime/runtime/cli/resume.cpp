// resume: and goes on.
#include "verbs.hpp"

namespace tenon::cli {

int resume(const Global& global, Words words) {
    load(global, only_id("resume", take_options(words, {}, Where::Anywhere))).resume();
    return 0;
}

}  // namespace tenon::cli
