// Declarations, one line per option.
#include "tenon/verb_options.hpp"

#include <unistd.h>

#include <span>

#include "tenon/attended.hpp"
#include "tenon/bundle_plan.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/option_group.hpp"

namespace tenon {

void declare_id(CLI::App& verb, VerbOptions& options) {
    OptionGroup group{verb};
    group.required("ID", "", "the container's name on this machine",
                   [&options](const std::string& text) { options.id = text; });
    group.value("--root", "DIR", "the folder with what is known of containers", options.root);
}

void declare_create_options(CLI::App& verb, VerbOptions& options) {
    declare_id(verb, options);
    declare_bundle_option(verb, options.bundle);
    declare_launch_options(verb, options.launch);
}

void declare_kill_options(CLI::App& verb, VerbOptions& options) {
    declare_id(verb, options);
    OptionGroup group{verb};
    group.value("SIGNAL", "", "15, TERM or SIGTERM (TERM)", [&options](const std::string& text) {
        const std::optional<int> signal = parse_signal(text);
        if (!signal) throw std::invalid_argument("'" + text + "' is no signal");
        options.signal = *signal;
    });
    group.flag("-a,--all", "every process in its group", options.all);
}

void declare_delete_options(CLI::App& verb, VerbOptions& options) {
    declare_id(verb, options);
    OptionGroup{verb}.flag("-f,--force", "end it first, if it runs", options.by_force);
}

void print_line(std::string_view text) {
    const std::string line = std::string{text} + "\n";
    sys::write_all(FdRef{STDOUT_FILENO}, std::as_bytes(std::span{line}), "standard output");
}

}  // namespace tenon
