// Declarations, one per option, with the parser of its value and where it goes.
#include "tenon/privilege_options.hpp"

#include <stdexcept>

#include "tenon/option_group.hpp"

namespace tenon {

void declare_privilege_options(CLI::App& verb, PrivilegeOptions& options, bool joins) {
    OptionGroup group{verb, "Privileges"};
    if (!joins) {
        group.values("--user", "UID[:GID]", "numbers: the user it runs as",
                     [&options](const std::string& text) { options.user = parse_ids(text); });
    }
    group.values("--cap-add", "CAP", "a capability more, or ALL",
                 [&options](const std::string& text) {
                     options.cap_add.push_back(parse_capability_word(text));
                 });
    group.values("--cap-drop", "CAP", "a capability less, or ALL",
                 [&options](const std::string& text) {
                     options.cap_drop.push_back(parse_capability_word(text));
                 });
    group.values("--security-opt", "OPTION",
                 joins ? "no-new-privileges, apparmor=NAME, label=..."
                       : "no-new-privileges, seccomp=FILE, apparmor=NAME, label=...",
                 [&options, joins](const std::string& text) {
                     add_security_option(text, options);
                     if (joins && !options.seccomp.empty()) {
                         throw std::invalid_argument("seccomp is the container's: --bundle");
                     }
                 });
    group.flag("--privileged",
               joins ? "every capability that the caller has"
                     : "no protection but namespaces: every capability, every device",
               options.privileged);
}

}  // namespace tenon
