// state: what there is, as JSON.
#include "verbs.hpp"

namespace tenon::cli {

int state(const Global& global, Words words) {
    const std::string id = only_id("state", take_options(words, {}, Where::Anywhere));
    const Container container = load(global, id);
    print(full_state(container, owner_of(global.root)) + "\n");
    return 0;
}

}  // namespace tenon::cli
