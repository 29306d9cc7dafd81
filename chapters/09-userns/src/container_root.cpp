// Around become_container_root(): what a change of ids costs, and user namespaces that hold nothing
// but maps.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "tenon/namespaces.hpp"
#include "tenon/program.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns.hpp"

namespace tenon {

void enter_as_container_root(const SyncSocket& to_parent) {
    become_container_root();
    const trace::Step step{9, "stay tied to the parent", "the kernel forgets it with the old ids"};
    // As after the clone: a death before this call shows in the socket. prctl(2), PR_SET_PDEATHSIG
    sys::set_parent_death_signal(SIGKILL);
    if (to_parent.peer_closed()) ::_exit(exit_own_failure);
}

UniqueFd make_user_namespace(const IdMappings& mappings) {
    const trace::Step step{9, "make maps for a mount", "a user namespace in which nobody lives"};
    UniqueFd made;
    CloneArgs args;
    args.create = {Namespace::User};
    args.prepare = [&](const Child& child) {
        write_id_mappings(child.pid(), mappings);
        made = sys::openat(FdRef::working_directory(), fmt::format("/proc/{}/ns/user", child.pid()),
                           O_RDONLY);
    };
    Child holder = spawn(args, [](SyncSocket&) { return 0; });
    holder.wait();
    return made;
}

}  // namespace tenon
