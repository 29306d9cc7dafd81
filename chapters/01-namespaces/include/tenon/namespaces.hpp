/// @file
/// Chapter 01, the contract: a process in namespaces of its own.
///
/// spawn() makes a child with one clone3; enter_namespaces() joins existing namespaces; Child
/// owns what spawn() made, so that no process outlives an error of its parent.
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/process.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon {

/// The eight kinds, with the flag that clone3, unshare and setns know each by.
/// @see \man{namespaces,7}
enum class Namespace : std::uint64_t {
    Mount = CLONE_NEWNS,
    Uts = CLONE_NEWUTS,
    Ipc = CLONE_NEWIPC,
    Net = CLONE_NEWNET,
    Pid = CLONE_NEWPID,
    User = CLONE_NEWUSER,
    Cgroup = CLONE_NEWCGROUP,
    Time = CLONE_NEWTIME,
};

/// All kinds, in the order in which this project lists them.
inline constexpr std::array all_namespaces{
    Namespace::Mount, Namespace::Uts,  Namespace::Ipc,    Namespace::Net,
    Namespace::Pid,   Namespace::User, Namespace::Cgroup, Namespace::Time,
};

/// Which kinds are wanted; each at most once.
class NamespaceSet {
  public:
    NamespaceSet() = default;
    NamespaceSet(std::initializer_list<Namespace> kinds);
    static NamespaceSet all();

    void insert(Namespace kind);
    [[nodiscard]] bool contains(Namespace kind) const;
    [[nodiscard]] bool empty() const { return kinds_.empty(); }
    [[nodiscard]] auto begin() const { return kinds_.begin(); }
    [[nodiscard]] auto end() const { return kinds_.end(); }

  private:
    std::vector<Namespace> kinds_;
};

/// Exercise 01.1. The CLONE_NEW* bits of all kinds in @p wanted, for clone3 and unshare.
std::uint64_t clone_flags(const NamespaceSet& wanted);

/// The file of @p kind in /proc/PID/ns: mnt, uts, ipc, net, pid, user, cgroup, time.
std::string_view proc_name(Namespace kind);
/// The kind behind a name: those of /proc/PID/ns, and config.json's `mount` and `network`.
std::optional<Namespace> namespace_from_name(std::string_view name);

/// An existing namespace to enter, by a descriptor of its file. @see \man{setns,2}
struct JoinNamespace {
    Namespace kind = Namespace::Mount;
    FdRef fd;
};

/// Exercise 01.3. Moves the calling process into each of @p targets, in the order that the
/// kernel's permission checks ask for: the user namespace first for a caller that gains its
/// rights there, last for a privileged caller that drops them there. A pid namespace receives
/// only children made afterwards.
/// @throws SysError  setns: EPERM, EINVAL; the subject is the kind's proc_name()
/// @pre single-threaded (\man{setns,2}: EINVAL for user and mount otherwise)
void enter_namespaces(std::span<const JoinNamespace> targets);

/// A namespace that is held open.
struct OpenNamespace {
    Namespace kind;
    UniqueFd fd;
};
/// The namespaces of @p pid that differ from the caller's, each open.
/// @throws SysError  pidfd_open: ESRCH for a process that does not exist; openat: EACCES
std::vector<OpenNamespace> open_namespaces(pid_t pid);
/// The namespace that the file @p path stands for; nothing when the caller is in it already.
/// @throws SysError  open namespace: ENOENT, EACCES; EINVAL: another kind, or no namespace at all
/// @throws std::invalid_argument  a relative path
std::optional<OpenNamespace> open_namespace(Namespace kind, const std::string& path);

/// Exercise 01.4. Sets the host name of the caller's UTS namespace.
/// @throws SysError  sethostname: EINVAL (more than 64 bytes), EPERM. @see \man{uts_namespaces,7}
void set_hostname(std::string_view name);
/// The NIS domain name of the same namespace.
void set_domainname(std::string_view name);

/// A process that spawn() made and this object owns. Unless detach()ed, its destructor kills and
/// reaps it: an exception in the parent leaves nothing behind.
class Child {
  public:
    Child(pid_t pid, UniqueFd pidfd, SyncSocket socket)
        : pid_(pid), pidfd_(std::move(pidfd)), socket_(std::move(socket)) {}
    Child(Child&&) = default;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    /// In the caller's pid namespace.
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] FdRef pidfd() const { return pidfd_; }
    [[nodiscard]] const SyncSocket& socket() const { return socket_; }

    /// Returns once the child runs its program (or has ended).
    /// @throws what the child threw before that: SysError, NotImplemented, std::runtime_error
    void wait_for_exec();

    /// Waits until the child has ended, and reaps it. @pre not waited for and not detached before
    /// @throws what the child threw, see wait_for_exec()
    ExitStatus wait();

    /// @throws SysError  pidfd_send_signal: ESRCH when it has ended
    void kill(int signal) const;

    /// Gives up ownership: the child lives on, and whoever inherits it reaps it.
    /// @pre spawned with outlives_parent, or it may notice the closed socket and end
    void detach() { pidfd_.reset(); }

  private:
    pid_t pid_;
    UniqueFd pidfd_;  // invalid once reaped or detached
    SyncSocket socket_;
};

/// What spawn() makes.
struct CloneArgs {
    NamespaceSet create;               ///< new namespaces for the child
    std::vector<JoinNamespace> join;   ///< existing ones, entered before `create` is made
    std::optional<FdRef> into_cgroup;  ///< cgroup v2 directory the child starts in
    /// Parent side, while the child waits: what only the parent may do (id maps, devices of its
    /// network). The child goes on when this returns, and dies when it throws.
    std::function<void(const Child& child)> prepare;
    bool outlives_parent = false;  ///< else the child is killed when its parent ends
};

/// Whether one of the namespaces to enter is a user namespace.
bool joins_user_namespace(const CloneArgs& args);

/// What the child runs, with its end of the socket: what it and its parent say to each other is
/// theirs to agree on. Its result is the exit code; an exception becomes the parent's. A child
/// that goes on without exec closes the socket when all is well.
using ChildMain = std::function<int(SyncSocket& to_parent)>;

/// Exercise 01.2. Makes a child in new namespaces with one clone3 and runs @p child_main in it.
/// Unless told otherwise, the child dies with its parent, as long as it keeps its ids: the kernel
/// forgets the death signal of a process that changes them, and it never knew that of the child's
/// own children (\man{prctl,2}, PR_SET_PDEATHSIG). It has a copy of the memory: nothing it
/// changes is seen here.
/// @throws SysError  clone3: EPERM, ENOSPC, EINVAL; and what args.prepare throws
Child spawn(const CloneArgs& args, const ChildMain& child_main);

/// Child side: SIGKILL when the parent ends, and an end at once when it has ended already. spawn()
/// asks for it; whoever changes ids afterwards has to ask again, because the kernel forgets.
void die_with_parent(const SyncSocket& to_parent);

/// Maps root inside @p child's user namespace. A caller with CAP_SETUID and CAP_SETGID maps every
/// id it has itself to the same number; anyone else maps only their own ids, to 0, and gives up
/// setgroups(2). @pre parent side, before the child goes on. Chapter 09 maps ranges instead.
/// @throws SysError  openat, write: EPERM. @see \man{user_namespaces,7}
void write_root_mapping(pid_t child);

}  // namespace tenon
