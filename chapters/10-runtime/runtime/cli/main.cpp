// tenon-oci: the OCI runtime, with the command line of runc.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "error_text.hpp"
#include "journal.hpp"
#include "tenon/ending.hpp"
#include "tenon/oci_spec.hpp"
#include "tenon/program.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/trace.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

constexpr const char* version = "0.2.0";

struct Verb {
    std::string_view name;
    std::string_view words;  // besides options
    std::string_view what;
    int (*body)(const Global& global, Words words);
    int failure = 1;
};

constexpr std::array verbs{
    Verb{"create", "ID", "makes everything but the program, which waits for start", create},
    Verb{"start", "ID", "lets a created one run its program", start},
    Verb{"state", "ID", "tells what it is, as JSON", state},
    Verb{"kill", "ID [SIGNAL]", "sends a signal to its first process (TERM)", kill},
    Verb{"delete", "ID", "removes what create made", remove},
    Verb{"run", "ID", "create, start, a wait for its end, and delete", run},
    Verb{"exec", "ID COMMAND [ARG ...]", "runs one more process in it", exec, 255},
    Verb{"list", "", "tells of all that there are", list},
    Verb{"ps", "ID [OPTION OF ps(1) ...]", "tells of its processes, by the host's numbers", ps},
    Verb{"pause", "ID", "stops all of its processes where they are", pause},
    Verb{"resume", "ID", "lets them go on", resume},
    Verb{"update", "ID", "gives it other limits; what is not named stays", update},
    Verb{"events", "ID", "tells every few seconds what it uses, and when memory runs out", events},
    Verb{"checkpoint", "ID", "makes files of it, by criu", checkpoint},
    Verb{"restore", "ID", "makes a container of such files, and runs it", restore},
    Verb{"spec", "", "writes a config.json to begin with", spec},
    Verb{"features", "", "tells what a config may ask for, as JSON", features},
};

std::string usage(std::span<const Option> options) {
    std::string text = "usage: tenon-oci [options] VERB [options] [ID ...]\n\nverbs:\n";
    for (const Verb& verb : verbs) text += fmt::format("   {:<12} {}\n", verb.name, verb.what);
    return text + "\noptions:\n" + lines_of(options) +
           "\ntenon-oci VERB --help tells the options of that verb.\n";
}

// Who cannot write to /run has a folder of their own; root in a user namespace is such a one,
// unless they say that they are at home there. The machine's root has XDG_RUNTIME_DIR, too, and
// means /run.
bool has_own_folder() {
    if (::geteuid() != 0) return true;
    if (in_initial_user_namespace()) return false;
    const char* const user = std::getenv("USER");
    return user == nullptr || std::string_view{user} != "root";
}

std::string default_root() {
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime != nullptr && *runtime == '/' && has_own_folder()) {
        return std::string{runtime} + "/tenon-oci";
    }
    return "/run/tenon-oci";
}

// What stands before the verb.
struct Opening {
    Global global;
    std::string log_format = "text";
    bool help = false;
    bool show_version = false;
};

// Whoever may not make groups does without: always, never, or if it is no root of the machine.
Option rootless(std::optional<bool>& field) {
    return {
        "rootless", 0, "true|false|auto", "without a group where none can be made (auto)",
        [&field](std::string_view word) {
            if (word != "true" && word != "false" && word != "auto") {
                throw UsageError(fmt::format("--rootless '{}': write true, false or auto", word));
            }
            field = word == "auto" ? std::nullopt : std::optional{word == "true"};
        }};
}

std::vector<Option> opening_table(Opening& opening) {
    return {
        text("root", opening.global.root, "DIR", "what is known of containers (/run/tenon-oci)"),
        text("log", opening.global.log, "FILE", "gets warnings and errors (standard error)"),
        text("log-format", opening.log_format, "FORM", "text or json (text)"),
        flag("debug", opening.global.debug, "tells each step and call as well"),
        flag("systemd-cgroup", opening.global.systemd_cgroup, "groups are made by systemd"),
        text("cgroup-manager", opening.global.cgroup_manager, "NAME",
             "cgroupfs, systemd, or disabled: no groups (cgroupfs)"),
        rootless(opening.global.rootless),
        ignored("criu", "PATH"),
        flag("help", opening.help, "this text", 'h'),
        flag("version", opening.show_version, "of this and of the specification", 'v')};
}

// runc's exit code for it is one of its own.
class UnknownVerb : public UsageError {
  public:
    using UsageError::UsageError;
};
constexpr int exit_unknown_verb = 3;

const Verb& find_verb(std::string_view name) {
    for (const Verb& verb : verbs) {
        if (verb.name == name) return verb;
    }
    throw UnknownVerb(fmt::format("No help topic for '{}'", name));
}

int end_by(int signal) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return 128 + signal;
}

// --debug: the rest of the story. Before an error is told: engines read the last lines.
struct StoryEnd {
    StoryEnd() = default;
    StoryEnd(const StoryEnd&) = delete;
    StoryEnd& operator=(const StoryEnd&) = delete;
    ~StoryEnd() { trace::flush(); }
};

// `failure` is the verb's exit code for an error, as soon as it is known.
int run_body(const Global& global, const std::vector<std::string>& words, int& failure) {
    open_journal(global);
    const StoryEnd end_of_story;
    const Verb& verb = find_verb(words.front());
    failure = verb.failure;
    return verb.body(global, Words{words}.subspan(1));
}

std::string usage_of(const Verb& verb, std::string_view options) {
    return fmt::format("usage: tenon-oci {} [options]{}{}\n\n{}\n\noptions:\n{}", verb.name,
                       verb.words.empty() ? "" : " ", verb.words, verb.what, options);
}

int run_verb(const Global& global, const std::vector<std::string>& words) {
    int failure = 1;
    try {
        return run_body(global, words, failure);
    } catch (const EndedBySignal& end) {
        return end_by(end.signal());
    } catch (const HelpAsked& help) {
        print(usage_of(find_verb(words.front()), help.what()));
        return 0;
    } catch (const UnknownVerb& error) {
        report(global, text_of(error));
        return exit_unknown_verb;
    } catch (const UsageError& error) {
        report(global, text_of(error));
        return 1;  // of exec, too: it has not come to anything
    } catch (const std::exception& error) {
        report(global, text_of(error));
        return failure;
    }
}

Opening read_opening(std::span<char* const> arguments, std::vector<std::string>& rest) {
    Opening opening;
    const std::vector<std::string> words{arguments.begin() + 1, arguments.end()};
    rest = take_options(words, opening_table(opening), Where::BeforeFirstWord);
    if (opening.log_format != "text" && opening.log_format != "json") {
        throw UsageError("unknown log-format \"" + opening.log_format + "\"");
    }
    opening.global.json_log = opening.log_format == "json";
    if (opening.global.root.empty()) opening.global.root = default_root();
    opening.global.arguments = arguments;
    return opening;
}

int begin(std::span<char* const> arguments) {
    std::vector<std::string> rest;
    try {
        Opening opening = read_opening(arguments, rest);
        if (opening.show_version) {
            print(fmt::format("tenon-oci version {}\nspec: {}\n", version, oci::spec_version));
            return 0;
        }
        if (opening.help || rest.empty() || rest.front() == "help") {
            print(usage(opening_table(opening)));
            return 0;
        }
        return run_verb(opening.global, rest);
    } catch (const std::exception& error) {
        report({}, text_of(error));
        return 1;
    }
}

}  // namespace

}  // namespace tenon::cli

int main(int argc, char** argv) {
    tenon::prepare_process();
    return tenon::cli::begin({argv, static_cast<std::size_t>(argc)});
}
