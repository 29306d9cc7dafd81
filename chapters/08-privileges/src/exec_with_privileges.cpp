// The order of confinement: one function, read from top to bottom.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "tenon/namespaces.hpp"
#include "tenon/privileges.hpp"
#include "tenon/program.hpp"
#include "tenon/seccomp_listener.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

std::string agent_message(const PreparedPrivileges& prepared) {
    if (!prepared.agent.valid()) return {};
    seccomp::ContainerProcess told = prepared.told_to_agent;
    told.pid = seccomp::own_pid_outside(prepared.proc);
    return seccomp::process_state(told);
}

}  // namespace

PreparedPrivileges prepare_privileges(const Privileges& privileges, const oci::Spec& spec,
                                      const std::string& bundle, const std::string& status) {
    PreparedPrivileges prepared;
    prepared.proc = open_host_proc();
    if (!privileges.filter || !privileges.filter->wants_listener) return prepared;
    prepared.agent = seccomp::connect_agent(privileges.agent.path);
    prepared.told_to_agent = {.oci_version = spec.oci_version,
                              .id = fmt::format("tenon-{}", ::getpid()),
                              .status = status,
                              .bundle = std::filesystem::canonical(bundle),
                              .annotations = spec.annotations,
                              .pid = 0,
                              .metadata = privileges.agent.metadata};
    return prepared;
}

void exec_with_privileges(const Privileges& privileges, PreparedPrivileges& prepared,
                          const Become& become, const SyncSocket& to_parent) {
    const std::string message = agent_message(prepared);
    // 1 The label. Writing it takes no capability; but AppArmor refuses a change of profile to who
    //   has no_new_privs, and a filter may forbid write(2). It is for the program: at execve.
    write_exec_labels(privileges.labels, privileges.lsm, prepared.proc);
    // From the next step on, whoever sees us and has the same rights could trace us and take what
    // we hold: the host's /proc, and in chapter 10 for as long as nobody starts the container. That
    // is who shares the host's pids, or a pid namespace that we were born into (CVE-2016-9962).
    // execve gives it back. prctl(2), PR_SET_DUMPABLE
    sys::forbid_inspection();
    // 2 Bounding set, user, the other sets: their own order is in there. After this nothing can be
    //   mounted, opened by root's right, or undone.
    apply_capabilities(capabilities_before_exec(privileges), privileges.user);
    // The kernel forgets the death signal of who changes his ids. prctl(2), PR_SET_PDEATHSIG
    if (!prepared.outlives_parent) die_with_parent(to_parent);
    // 3 No new privileges. Nothing above was an execve, so nothing came too early; and what follows
    //   needs it, unless CAP_SYS_ADMIN is there.
    if (privileges.no_new_privileges) set_no_new_privs();
    // 4 The filter, last of all: the signals and descriptors are in order by then, and it has to
    //   allow one call of ours, the execve that it must allow anyway.
    become([&] {
        if (!privileges.filter) return;
        seccomp::install_and_notify(*privileges.filter, std::move(prepared.agent), message,
                                    to_parent);
    });
    ::_exit(exit_own_failure);  // become() ends in execve, or throws
}

}  // namespace tenon
