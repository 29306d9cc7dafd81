// kill: a signal for the first process, or for all.
#include <fmt/format.h>

#include "tenon/attended.hpp"
#include "verbs.hpp"

namespace tenon::cli {

int kill(const Global& global, Words words) {
    bool all = false;
    const std::vector<Option> table{flag("all", all, "every process of its group", 'a')};
    const std::vector<std::string> rest = take_options(words, table, Where::Anywhere);
    if (rest.empty() || rest.size() > 2) throw UsageError("usage: kill [--all] ID [SIGNAL]");
    const std::string name = rest.size() == 2 ? rest[1] : "SIGTERM";
    // 0 asks whether there is somebody. kill(2)
    const std::optional<int> signal = name == "0" ? 0 : parse_signal(name);
    if (!signal) throw UsageError(fmt::format("unknown signal \"{}\"", name));
    load(global, rest[0]).kill(*signal, all);
    return 0;
}

}  // namespace tenon::cli
