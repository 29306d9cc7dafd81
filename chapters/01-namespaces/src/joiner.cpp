// Entering existing namespaces before the child is made.
//
// setns(2) on a pid namespace moves only future children, and one on a user namespace cannot be
// undone. So neither the parent (it would be stuck inside) nor the child (too late for its pid)
// can do it: a joiner in between enters, makes the child as its own sibling with CLONE_PARENT,
// hands over the child's pidfd, and ends.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "child_side.hpp"
#include "tenon/error.hpp"
#include "tenon/program.hpp"
#include "tenon/spawn_entering.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// The two conversations: with the joiner until the child exists, with the child afterwards.
struct Sockets {
    SyncSocket parent_of_joiner, joiner;
    SyncSocket parent_of_child, child;
};

Sockets make_sockets() {
    auto [parent_of_joiner, joiner] = SyncSocket::make_pair();
    auto [parent_of_child, child] = SyncSocket::make_pair();
    return {std::move(parent_of_joiner), std::move(joiner), std::move(parent_of_child),
            std::move(child)};
}

// EPERM in a user namespace whose /proc/PID/setgroups says deny: its maker was an ordinary user,
// who must not shed groups. user_namespaces(7)
void drop_groups_if_permitted() {
    try {
        if (sys::has_effective_capability(CAP_SETGID)) sys::drop_groups();
    } catch (const SysError& e) {
        if (e.error() != EPERM) throw;
    }
}

// Root that enters a user namespace keeps its ids: outside it would still be root, in the hands of
// whoever rules inside. So it becomes that namespace's own root, and leaves its groups while it
// may.
void enter_as_root_of_the_inside(const CloneArgs& args) {
    const trace::Step step{1, "enter as its root", "or the host's root would walk about inside"};
    drop_groups_if_permitted();
    enter_namespaces(args.join);
    sys::become_root();
}

// From the first setns on, processes of the target may see this one and its descriptors.
// CVE-2016-9962: they could reach through it to the host.
void enter(const CloneArgs& args) {
    sys::forbid_inspection();
    if (joins_user_namespace(args)) return enter_as_root_of_the_inside(args);
    enter_namespaces(args.join);
}

void enter_and_clone(const CloneArgs& args, const ChildMain& child_main, Sockets& sockets) {
    enter(args);
    const trace::Step step{1, "make the child", "as a sibling: the parent must be able to reap it"};
    const sys::CloneResult made = sys::clone3(
        {.flags = clone_flags(args.create) | CLONE_PARENT, .into_cgroup = args.into_cgroup});
    if (made.pid == 0) {
        sockets.joiner.close();
        run_child(sockets.child, args, child_main);
    }
    sockets.joiner.send(SyncKind::Spawned, std::to_string(made.pid), made.pidfd.ref());
}

[[noreturn]] void run_joiner(const CloneArgs& args, const ChildMain& child_main,
                             Sockets& sockets) noexcept {
    trace::set_role("joiner");
    sockets.parent_of_joiner.close();
    sockets.parent_of_child.close();
    int code = 0;
    try {
        enter_and_clone(args, child_main, sockets);
    } catch (...) {
        sockets.joiner.send_failure(std::current_exception());
        code = exit_own_failure;
    }
    ::_exit(code);
}

Child child_from(const SyncMessage& spawned, UniqueFd pidfd, SyncSocket socket) {
    pid_t pid = -1;
    std::from_chars(spawned.text.data(), spawned.text.data() + spawned.text.size(), pid);
    return Child{pid, std::move(pidfd), std::move(socket)};
}

}  // namespace

bool joins_user_namespace(const CloneArgs& args) {
    return std::any_of(args.join.begin(), args.join.end(),
                       [](const JoinNamespace& target) { return target.kind == Namespace::User; });
}

namespace {

// The parts of `targets` that a child gets by its birth, and those that it enters.
struct Targets {
    std::optional<FdRef> pid;
    std::vector<JoinNamespace> others;
};

Targets divided(std::span<const JoinNamespace> targets) {
    Targets parts;
    for (const JoinNamespace& one : targets) {
        if (one.kind == Namespace::Pid) {
            parts.pid = one.fd;
        } else {
            parts.others.push_back(one);
        }
    }
    return parts;
}

// A pid namespace that is lent to the next child is given back when that is there: setns(2) moves
// nobody who calls it.
sys::CloneResult clone_into_pid_namespace(FdRef target, const sys::CloneRequest& request) {
    const UniqueFd own = sys::openat(FdRef::working_directory(), "/proc/self/ns/pid", O_RDONLY);
    sys::setns(target, CLONE_NEWPID, "pid");
    sys::CloneResult made = sys::clone3(request);
    if (made.pid != 0) sys::setns(own, CLONE_NEWPID, "pid");
    return made;
}

}  // namespace

Child spawn_entering(const CloneArgs& args, const ChildMain& child_main) {
    const trace::Step step{1, "make the child", "in the pid namespace of those that it will join"};
    auto [to_child, to_parent] = SyncSocket::make_pair();
    // It is seen from inside as soon as it is there: so it is born like that. CVE-2016-9962
    sys::forbid_inspection();
    const Targets targets = divided(args.join);
    const sys::CloneRequest request{.flags = clone_flags(args.create),
                                    .into_cgroup = args.into_cgroup};
    sys::CloneResult made =
        targets.pid ? clone_into_pid_namespace(*targets.pid, request) : sys::clone3(request);
    if (made.pid == 0) {
        to_child.close();
        run_child(to_parent, args, [&](SyncSocket& parent) {
            enter_namespaces(targets.others);
            return child_main(parent);
        });
    }
    Child child{made.pid, std::move(made.pidfd), std::move(to_child)};
    release_child(child, args);
    return child;
}

Child spawn_through_joiner(const CloneArgs& args, const ChildMain& child_main) {
    const trace::Step step{1, "make a joiner", "setns on a pid namespace moves only new children"};
    Sockets sockets = make_sockets();
    sys::CloneResult made = sys::clone3({});
    if (made.pid == 0) run_joiner(args, child_main, sockets);
    sockets.joiner.close();
    sockets.child.close();
    Child joiner{made.pid, std::move(made.pidfd), SyncSocket{}};
    SyncMessage spawned = sockets.parent_of_joiner.expect(SyncKind::Spawned);
    Child child = child_from(spawned, std::move(spawned.fd), std::move(sockets.parent_of_child));
    joiner.wait();
    release_child(child, args);
    return child;
}

}  // namespace tenon
