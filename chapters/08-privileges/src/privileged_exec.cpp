// A process in a container, whether it is the first or a later one: the last steps are the same.
// What a later one may do is read before it joins: from inside, files would be the container's.
#include "tenon/privileged_exec.hpp"

#include <functional>

#include "tenon/privileged_launch.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/stage.hpp"
#include "tenon/unwritable.hpp"

namespace tenon {

void become_process(Attended& attended, const oci::Process& process, const Privileges& privileges,
                    PreparedPrivileges& prepared, const SyncSocket& to_parent) {
    attended.enter_session();
    enter_working_directory(process);
    apply_process_limits(process);
    const auto become = [&](const std::function<void()>& last_step) {
        attended.become({process.args, process.env}, last_step);
    };
    exec_with_privileges(privileges, prepared, become, to_parent);
}

int exec_in_container(ExecOptions& options, const JoinOptions& join,
                      std::span<char* const> arguments) {
    protect_own_binary(arguments);
    apply_explain(options.namespaces);
    const RunningContainer container = open_container(options.target);
    const oci::Spec spec = spec_of_container(container, join);
    const CallerPowers powers = own_powers(has_user_namespace(container));
    const oci::Process process =
        process_to_join(options, join, spec, powers, container.environment);
    const Privileges privileges = decide_privileges(spec, process, powers);
    PreparedPrivileges prepared = prepare_privileges(privileges, spec, join.bundle, "running");
    Attended attended(options.attend, process, own_program(arguments));
    options.namespaces.attendant = attended.attendant();
    const auto child_main = [&](SyncSocket& to_parent) -> int {
        become_process(attended, process, privileges, prepared, to_parent);
    };
    return run_in_container(container, options.namespaces, child_main);
}

}  // namespace tenon
