// The pieces of chapter 07 in the order of a container's life.
#include "tenon/attended.hpp"

#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/terminal_syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/unwritable.hpp"

namespace tenon {

namespace {

std::string path_of_init(const AttendOptions& options, const std::string& own_program) {
    if (!options.init_program.empty()) return options.init_program;
    return own_program.substr(0, own_program.rfind('/') + 1) + "tenon-init";
}

// Opened before the root changes: the container's files have no part in it.
UniqueFd open_init(const std::string& path) {
    try {
        return open_unwritable(path);
    } catch (const SysError& error) {
        throw SysError(error.error(), "open init", path);
    }
}

TerminalRequest request_for(const oci::Process& process, const AttendOptions& options) {
    TerminalRequest request;
    request.owner = process.user.uid;
    request.console = options.console;
    request.controlling = !options.init;  // the payload leads another session than the init
    return request;
}

void refuse_options_without_init(const AttendOptions& options) {
    if (options.init) return;
    if (!options.init_program.empty() || options.signal_group || options.report_orphans) {
        throw std::invalid_argument(
            "--init-path, --init-group and --report-orphans speak of an init: add --init");
    }
}

bool is_ours(const AttendOptions& options) {
    return options.init_program.empty();
}

std::vector<std::string> words_of_init(const AttendOptions& options, const std::string& path) {
    std::vector<std::string> words{path.substr(path.rfind('/') + 1)};
    if (is_ours(options)) words.emplace_back("-u");
    if (options.signal_group) words.emplace_back("-g");
    if (options.terminal) words.emplace_back("-t");
    if (options.report_orphans) words.emplace_back("-r");
    words.emplace_back("--");
    return words;
}

// An init that cannot start is our failure: 126 and 127 are what shells say of the command.
[[noreturn]] void rethrow_of_init(const SysError& error, const std::string& path) {
    if (error.call() != "execve") throw error;
    throw SysError(error.error(), "execve init", path);
}

}  // namespace

std::optional<TerminalSize> size_by_config(const oci::Process& process) {
    if (!process.console_size) return std::nullopt;
    return TerminalSize{static_cast<unsigned short>(process.console_size->height),
                        static_cast<unsigned short>(process.console_size->width)};
}

std::optional<TerminalSize> size_when_relayed(const oci::Process& process) {
    const FdRef input{STDIN_FILENO};
    if (!sys::is_terminal(input)) return size_by_config(process);
    const winsize ours = sys::window_size(input);
    return TerminalSize{ours.ws_row, ours.ws_col};
}

Attended::Attended(const AttendOptions& options, const oci::Process& process,
                   const std::string& own_program)
    : options_(options), request_(request_for(process, options)) {
    refuse_options_without_init(options);
    options_.terminal = options.terminal || process.terminal;
    if (options_.terminal) request_.size = size_when_relayed(process);
    if (!options.init) return;
    init_path_ = path_of_init(options, own_program);
    init_ = open_init(init_path_);
}

void Attended::check(const NamespaceSet& created) const {
    if (!options_.init || created.contains(Namespace::Pid)) return;
    throw std::invalid_argument(
        "--init needs a pid namespace of the container's own: orphans go to its pid 1, and to "
        "nobody else. Add one to linux.namespaces");
}

Attendant Attended::attendant() {
    return [this](Child& child) { return stay_with(child); };
}

ExitStatus Attended::stay_with(Child& child) {
    if (!options_.terminal) return attend(child, attention_, options_.stop);
    TerminalRelay relay(channel_.receive_master(), FdRef{STDIN_FILENO}, FdRef{STDOUT_FILENO});
    attention_.serve(&relay);
    const ExitStatus status = attend(child, attention_, options_.stop);
    attention_.serve(nullptr);
    return status;
}

void Attended::enter_session() {
    if (options_.terminal) {
        channel_.enter_terminal(request_);
    } else {
        leave_session();
    }
}

void Attended::become(const Command& command, const std::function<void()>& last_step) const {
    if (!init_.valid()) exec(command, last_step);
    const trace::Step step{7, "put an init before it", "somebody must reap, and hear signals"};
    Command with_init{words_of_init(options_, init_path_), command.environment};
    with_init.argv.insert(with_init.argv.end(), command.argv.begin(), command.argv.end());
    // What arrives between its first instruction and its first call would be thrown away, as for
    // any pid 1 that has asked for nothing: ours finds it blocked, and waiting.
    const StartMask mask = is_ours(options_) ? StartMask::AsItIs : StartMask::Empty;
    try {
        exec_file(init_, init_path_, with_init, mask, last_step);
    } catch (const SysError& error) {
        rethrow_of_init(error, init_path_);
    }
}

}  // namespace tenon
