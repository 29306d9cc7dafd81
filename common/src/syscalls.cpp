// One wrapper per call: arguments in, SysError or result out, nothing decided in between.
#include "tenon/syscalls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <memory>

#include "directory_entries.hpp"
#include "flag_names.hpp"
#include "traced_call.hpp"
#include "undisturbed_open.hpp"

namespace tenon::sys {

std::string describe(FdRef fd) {
    if (fd.number() == AT_FDCWD) return "AT_FDCWD";
    std::array<char, 256> target{};
    const std::string link = fmt::format("/proc/self/fd/{}", fd.number());
    const long length = ::readlink(link.c_str(), target.data(), target.size());
    if (length < 0) return std::to_string(fd.number());
    return fmt::format("{}<{}>", fd.number(),
                       std::string_view{target.data(), static_cast<std::size_t>(length)});
}

namespace {

// SIGKILL for 9; 0, which only asks whether the process is there, has no name.
std::string signal_name(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? fmt::format("SIG{}", name) : std::to_string(signal);
}

// glibc has no clone3(): a raw call returns twice, like fork(2) without its handlers.
long raw_clone3(const CloneRequest& request, int& pidfd) {
    clone_args arguments{};
    arguments.flags = request.flags | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    // With CLONE_PARENT the child inherits the caller's own exit signal: EINVAL if we name one.
    arguments.exit_signal = (request.flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
    if (request.into_cgroup) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(request.into_cgroup->number());
    }
    return ::syscall(SYS_clone3, &arguments, sizeof arguments);
}

}  // namespace

CloneResult clone3(const CloneRequest& request) {
    int pidfd = -1;
    if (!trace::enabled()) [[likely]] {
        const long pid = check(raw_clone3(request, pidfd), "clone3");
        return {static_cast<pid_t>(pid), UniqueFd{pid == 0 ? -1 : pidfd}};
    }
    const std::uint64_t into = request.into_cgroup ? CLONE_INTO_CGROUP : 0;
    trace::Call record{"clone3", clone_flag_names(request.flags | CLONE_PIDFD | into)};
    const long pid = raw_clone3(request, pidfd);
    if (pid == 0) return {};  // the record is the parent's: the child leaves it alone
    const int error = pid < 0 ? errno : 0;
    record.finish(error, fmt::format("pid {}", pid));
    if (error != 0) throw SysError(error, "clone3");
    return {static_cast<pid_t>(pid), UniqueFd{pidfd}};
}

void setns(FdRef target, std::uint64_t flags, CString subject) {
    traced_call(
        "setns", subject.view(), [&] { return ::setns(target.number(), static_cast<int>(flags)); },
        [&] { return fmt::format("{}, {}", describe(target), clone_flag_names(flags)); });
}

std::uint64_t namespace_type(FdRef file) {
    const long type = traced_call(
        "ioctl", "NS_GET_NSTYPE", [&] { return ::ioctl(file.number(), NS_GET_NSTYPE); },
        [&] { return fmt::format("{}, NS_GET_NSTYPE", describe(file)); });
    return static_cast<std::uint64_t>(type);
}

void unshare(std::uint64_t flags) {
    traced_call(
        "unshare", {}, [&] { return ::unshare(static_cast<int>(flags)); },
        [&] { return clone_flag_names(flags); });
}

UniqueFd pidfd_open(pid_t pid) {
    // The subject is made on the failure path only: success allocates nothing.
    const auto invoke = [&] { return ::syscall(SYS_pidfd_open, pid, 0); };
    try {
        return traced_open("pidfd_open", {}, invoke, [&] { return std::to_string(pid); });
    } catch (const SysError& e) {
        throw SysError(e.error(), "pidfd_open", fmt::format("process {}", pid));
    }
}

void pidfd_send_signal(FdRef pidfd, int signal) {
    traced_call(
        "pidfd_send_signal", {},
        [&] { return ::syscall(SYS_pidfd_send_signal, pidfd.number(), signal, nullptr, 0); },
        [&] { return fmt::format("{}, {}", pidfd.number(), signal_name(signal)); });
}

siginfo_t waitid(FdRef pidfd) {
    siginfo_t info{};
    const auto wait = [&] {
        int rc = 0;
        do {
            rc = ::waitid(P_PIDFD, static_cast<id_t>(pidfd.number()), &info, WEXITED);
        } while (rc < 0 && errno == EINTR);
        return rc;
    };
    traced_call("waitid", {}, wait,
                [&] { return fmt::format("P_PIDFD, {}, WEXITED", pidfd.number()); });
    return info;
}

void sethostname(std::string_view name) {
    traced_call(
        "sethostname", name, [&] { return ::sethostname(name.data(), name.size()); },
        [&] { return fmt::format("\"{}\", {}", name, name.size()); });
}

void setdomainname(std::string_view name) {
    traced_call(
        "setdomainname", name, [&] { return ::setdomainname(name.data(), name.size()); },
        [&] { return fmt::format("\"{}\", {}", name, name.size()); });
}

void set_parent_death_signal(int signal) {
    traced_call(
        "prctl", "PR_SET_PDEATHSIG", [&] { return ::prctl(PR_SET_PDEATHSIG, signal); },
        [&] { return fmt::format("PR_SET_PDEATHSIG, {}", signal_name(signal)); });
}

int parent_death_signal() {
    int signal = 0;
    check(::prctl(PR_GET_PDEATHSIG, &signal), "prctl", "PR_GET_PDEATHSIG");
    return signal;
}

void forbid_inspection() {
    traced_call(
        "prctl", "PR_SET_DUMPABLE", [&] { return ::prctl(PR_SET_DUMPABLE, 0); },
        [&] { return std::string{"PR_SET_DUMPABLE, 0"}; });
}

void permit_inspection() {
    traced_call(
        "prctl", "PR_SET_DUMPABLE", [&] { return ::prctl(PR_SET_DUMPABLE, 1); },
        [&] { return std::string{"PR_SET_DUMPABLE, 1"}; });
}

void become_root() {
    const auto zeros = [] { return std::string{"0, 0, 0"}; };
    traced_call(
        "setresgid", "0", [] { return ::setresgid(0, 0, 0); }, zeros);
    traced_call(
        "setresuid", "0", [] { return ::setresuid(0, 0, 0); }, zeros);
}

void drop_groups() {
    traced_call(
        "setgroups", {}, [] { return ::setgroups(0, nullptr); },
        [] { return std::string{"0, NULL"}; });
}

bool has_effective_capability(int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    check(::syscall(SYS_capget, &header, data.data()), "capget");
    const auto word = static_cast<std::size_t>(capability / 32);
    return word < data.size() && ((data[word].effective >> (capability % 32)) & 1U) != 0;
}

void execve(CString path, char* const* argv, char* const* envp) {
    // A call that succeeds never returns to report itself: it is told, and printed, beforehand.
    if (trace::enabled()) {
        trace::Call{"execve", fmt::format("\"{}\"", path.view())}.finish(0, "does not return");
        trace::flush_before_exec();
    }
    traced_call(
        "execve", path.view(), [&] { return ::execve(path.c_str(), argv, envp); },
        [&] { return fmt::format("\"{}\"", path.view()); });
    __builtin_unreachable();  // execve returns only to report a failure, which traced_call threw
}

void close_range_cloexec(unsigned first) {
    traced_call(
        "close_range", {}, [&] { return ::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC); },
        [&] { return fmt::format("{}, ~0, CLOSE_RANGE_CLOEXEC", first); });
}

UniqueFd duplicate(FdRef file) {
    return traced_open(
        "fcntl", "F_DUPFD_CLOEXEC", [&] { return ::fcntl(file.number(), F_DUPFD_CLOEXEC, 0); },
        [&] { return fmt::format("{}, F_DUPFD_CLOEXEC", describe(file)); });
}

UniqueFd openat(FdRef directory, CString path, int flags, mode_t mode) {
    return traced_open(
        "openat", path.view(),
        [&] { return ::openat(directory.number(), path.c_str(), flags | O_CLOEXEC, mode); },
        [&] {
            return fmt::format("{}, \"{}\", {}", describe(directory), path.view(),
                               open_flag_names(flags));
        });
}

UniqueFd openat2(FdRef directory, CString path, int flags, std::uint64_t resolve) {
    return traced_open(
        "openat2", path.view(),
        [&] { return openat2_undisturbed(directory, path, flags, resolve); },
        [&] {
            return fmt::format("{}, \"{}\", {}, {}", describe(directory), path.view(),
                               open_flag_names(flags), resolve_names(resolve));
        });
}

void mkdirat(FdRef directory, CString path, mode_t mode) {
    traced_call(
        "mkdirat", path.view(), [&] { return ::mkdirat(directory.number(), path.c_str(), mode); },
        [&] { return fmt::format("{}, \"{}\", {:#o}", describe(directory), path.view(), mode); });
}

void mknodat(FdRef directory, CString path, mode_t mode, dev_t device) {
    traced_call(
        "mknodat", path.view(),
        [&] { return ::mknodat(directory.number(), path.c_str(), mode, device); },
        [&] { return fmt::format("{}, \"{}\", {:#o}", describe(directory), path.view(), mode); });
}

void symlinkat(CString target, FdRef directory, CString path) {
    traced_call(
        "symlinkat", path.view(),
        [&] { return ::symlinkat(target.c_str(), directory.number(), path.c_str()); },
        [&] {
            return fmt::format("\"{}\", {}, \"{}\"", target.view(), describe(directory),
                               path.view());
        });
}

std::string readlinkat(FdRef directory, CString path) {
    std::array<char, PATH_MAX> target{};
    const long length = traced_call(
        "readlinkat", path.view(),
        [&] {
            return ::readlinkat(directory.number(), path.c_str(), target.data(), target.size());
        },
        [&] { return fmt::format("{}, \"{}\"", describe(directory), path.view()); });
    return {target.data(), static_cast<std::size_t>(length)};
}

void fchdir(FdRef directory, CString subject) {
    traced_call(
        "fchdir", subject.view(), [&] { return ::fchdir(directory.number()); },
        [&] { return describe(directory); });
}

void fchmodat(FdRef directory, CString path, mode_t mode) {
    traced_call(
        "fchmodat", path.view(),
        [&] { return ::fchmodat(directory.number(), path.c_str(), mode, 0); },
        [&] { return fmt::format("{}, \"{}\", {:#o}", describe(directory), path.view(), mode); });
}

struct stat fstat(FdRef file) {
    struct stat status {};
    check(::fstatat(file.number(), "", &status, AT_EMPTY_PATH), "fstat");
    return status;
}

void unlinkat(FdRef directory, CString path, int flags) {
    traced_call(
        "unlinkat", path.view(),
        [&] { return ::unlinkat(directory.number(), path.c_str(), flags); },
        [&] {
            return fmt::format("{}, \"{}\", {}", describe(directory), path.view(),
                               (flags & AT_REMOVEDIR) != 0 ? "AT_REMOVEDIR" : "0");
        });
}

struct stat stat(CString path) {
    struct stat status {};
    check(::stat(path.c_str(), &status), "stat", path.view());
    return status;
}

long file_system_type(FdRef file) {
    struct statfs status {};
    check(::fstatfs(file.number(), &status), "fstatfs");
    return status.f_type;
}

std::string fgetxattr(FdRef file, CString name) {
    std::string value(256, '\0');
    const long size = ::fgetxattr(file.number(), name.c_str(), value.data(), value.size());
    if (size < 0 && (errno == ENODATA || errno == EOPNOTSUPP)) return {};
    value.resize(static_cast<std::size_t>(check(size, "fgetxattr", name.view())));
    return value;
}

std::vector<std::string> directories_in(FdRef directory) {
    std::vector<std::string> names;
    for_each_entry(directory, [&](std::string_view name, unsigned char type) {
        if (type == DT_DIR) names.emplace_back(name);
    });
    return names;
}

namespace {

bool poll_for(FdRef file, short event, std::chrono::milliseconds timeout) {
    pollfd watched{file.number(), event, 0};
    const auto poll_once = [&] {
        const int rc = ::poll(&watched, 1, static_cast<int>(timeout.count()));
        return rc < 0 && errno == EINTR ? 0 : rc;  // a signal handler ran: no news of the file
    };
    const long ready = traced_call("poll", {}, poll_once, [&] {
        return fmt::format("{}, {}, {} ms", describe(file), event == POLLIN ? "POLLIN" : "POLLPRI",
                           timeout.count());
    });
    return ready > 0;
}

}  // namespace

bool poll_for_change(FdRef file, std::chrono::milliseconds timeout) {
    return poll_for(file, POLLPRI, timeout);
}

bool poll_for_input(FdRef file, std::chrono::milliseconds timeout) {
    return poll_for(file, POLLIN, timeout);
}

std::string pread_start(FdRef file, std::size_t size) {
    std::string text(size, '\0');
    const long got = check(::pread(file.number(), text.data(), size, 0), "pread");
    text.resize(static_cast<std::size_t>(got));
    return text;
}

void write_once(FdRef file, std::string_view data, std::string_view subject) {
    const long written = traced_call(
        "write", subject, [&] { return ::write(file.number(), data.data(), data.size()); },
        [&] { return fmt::format("{}, \"{}\"", describe(file), data); });
    if (written != static_cast<long>(data.size())) throw SysError(EIO, "write", subject);
}

}  // namespace tenon::sys
