// Declarations: one row per option, with the parser of its value and where it goes.
#include "tenon/privilege_options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>

namespace tenon {

namespace {

struct Row {
    const char* flag;
    const char* type;
    const char* help;
    std::function<void(const std::string& text)> take;
};

// A mistake in the text is a mistake on the command line: CLI11 reports it as one.
void take_each(const Row& row, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
        try {
            row.take(text);
        } catch (const std::invalid_argument& error) {
            throw CLI::ValidationError(fmt::format("{}: {}", row.flag, error.what()));
        }
    }
}

void declare(CLI::App& verb, const Row& row) {
    verb.add_option_function<std::vector<std::string>>(
            row.flag, [row](const std::vector<std::string>& texts) { take_each(row, texts); },
            row.help)
        ->type_size(1)
        ->allow_extra_args(false)
        ->type_name(row.type)
        ->group("Privileges");
}

}  // namespace

void declare_privilege_options(CLI::App& verb, PrivilegeOptions& options, bool joins) {
    if (!joins) {
        declare(verb, {"--user", "UID[:GID]", "numbers: the user it runs as",
                       [&options](const std::string& text) { options.user = parse_ids(text); }});
    }
    declare(verb,
            {"--cap-add", "CAP", "a capability more, or ALL", [&options](const std::string& text) {
                 options.cap_add.push_back(parse_capability_word(text));
             }});
    declare(verb,
            {"--cap-drop", "CAP", "a capability less, or ALL", [&options](const std::string& text) {
                 options.cap_drop.push_back(parse_capability_word(text));
             }});
    declare(verb, {"--security-opt", "OPTION",
                   joins ? "no-new-privileges, apparmor=NAME, label=..."
                         : "no-new-privileges, seccomp=FILE, apparmor=NAME, label=...",
                   [&options, joins](const std::string& text) {
                       add_security_option(text, options);
                       if (joins && !options.seccomp.empty()) {
                           throw std::invalid_argument("seccomp is the container's: --bundle");
                       }
                   }});
    verb.add_flag("--privileged", options.privileged,
                  joins ? "every capability that the caller has"
                        : "no protection but namespaces: every capability, every device")
        ->group("Privileges");
}

}  // namespace tenon
