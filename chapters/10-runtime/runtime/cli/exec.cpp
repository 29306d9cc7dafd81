// exec: one more process in a container that runs.
#include <unistd.h>

#include <stdexcept>

#include "exec_options.hpp"
#include "refusals.hpp"
#include "seccomp_tree.hpp"
#include "tenon/joining.hpp"
#include "tenon/unwritable.hpp"

namespace tenon::cli {

namespace {

Console console_of(const ExecRequest& request, const oci::Process& process) {
    if (!request.console_socket.empty()) return Console::Socket;
    return process.terminal && !request.detach ? Console::Relay : Console::None;
}

void require_running(const Container& container, bool ignore_paused) {
    const ContainerStatus status = container.status();
    if (status == ContainerStatus::Paused && ignore_paused) return;
    require(status, Operation::Exec, container.record().id);
}

}  // namespace

int exec(const Global& global, Words words) {
    protect_own_binary(global.arguments);
    ExecRequest request;
    std::vector<std::string> rest =
        take_options(words, exec_table(request), Where::BeforeSecondWord);
    if (rest.empty()) throw UsageError("\"exec\" requires a minimum of 1 argument");
    if (request.cgroup.find(':') != std::string::npos) {
        refuse("exec --cgroup " + request.cgroup +
               ": in cgroup v2 all controllers are in one group: write its path alone");
    }
    const Container container = load(global, rest.front());
    rest.erase(rest.begin());
    require_running(container, request.ignore_paused);
    const oci::Spec spec = container.spec();
    const oci::Process process = process_for(request, spec, rest);
    try {
        return join(container, spec,
                    {.process = process,
                     .preserved_descriptors = request.preserve_fds,
                     .console = console_of(request, process),
                     .console_socket = request.console_socket,
                     .pid_file = request.pid_file,
                     .cgroup = request.cgroup,
                     .pidfd_socket = request.pidfd_socket,
                     .detach = request.detach,
                     .filter_compiler = ext::by_tree});
    } catch (const std::exception&) {
        // Of one that ends or is paused meanwhile the kernel says ENOENT, ENOMEM, and much else.
        require_running(container, request.ignore_paused);
        throw;
    }
}

}  // namespace tenon::cli
