// Running a program by its descriptor.
#include "tenon/program_syscalls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "traced_call.hpp"

namespace tenon::sys {

namespace {

// MFD_EXEC of Linux 6.3: Debian 12's headers do not have it.
constexpr unsigned memfd_exec = 0x0010;

}  // namespace

void execveat(FdRef file, char* const* argv, char* const* envp, CString subject) {
    const auto arguments = [&] { return fmt::format("{}, \"\", AT_EMPTY_PATH", describe(file)); };
    if (trace::enabled()) {
        trace::Call{"execveat", arguments()}.finish(0, "does not return");
        trace::flush_before_exec();
    }
    // Its failure is one of execve: the same words, the same exit codes.
    traced_call(
        "execve", subject.view(),
        [&] { return ::syscall(SYS_execveat, file.number(), "", argv, envp, AT_EMPTY_PATH); },
        arguments);
    __builtin_unreachable();  // execveat returns only to report a failure, which was thrown
}

UniqueFd memfd_create(CString name) {
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const auto make = [&] {
        // vm.memfd_noexec takes the right to execute from who does not ask for it; kernels before
        // it do not know the question (EINVAL). memfd_create(2)
        const int file = ::memfd_create(name.c_str(), flags | memfd_exec);
        return file < 0 && errno == EINVAL ? ::memfd_create(name.c_str(), flags) : file;
    };
    return traced_open("memfd_create", name.view(), make,
                       [&] { return fmt::format("\"{}\", MFD_ALLOW_SEALING", name.view()); });
}

void add_seals(FdRef memory, int seals) {
    traced_call(
        "fcntl", "F_ADD_SEALS", [&] { return ::fcntl(memory.number(), F_ADD_SEALS, seals); },
        [&] { return fmt::format("{}, F_ADD_SEALS, {:#x}", describe(memory), seals); });
}

int seals_of(FdRef file) {
    const int seals = ::fcntl(file.number(), F_GET_SEALS);
    return seals < 0 ? 0 : seals;  // EINVAL: no file of a kind that is sealed
}

bool on_read_only_mount(FdRef file) {
    struct statvfs status {};
    check(::fstatvfs(file.number(), &status), "fstatvfs");
    return (status.f_flag & ST_RDONLY) != 0;
}

void keep_over_exec(FdRef file) {
    traced_call(
        "fcntl", "F_SETFD", [&] { return ::fcntl(file.number(), F_SETFD, 0); },
        [&] { return fmt::format("{}, F_SETFD, 0", describe(file)); });
}

bool can_be_written(FdRef file) {
    const int flags = ::fcntl(file.number(), F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

bool on_detached_mount(FdRef file) {
    // What a path is made of are the names between a mount's root and "/"; here there are none.
    return readlinkat(FdRef::working_directory(), fmt::format("/proc/self/fd/{}", file.number())) ==
           "/";
}

bool may_write(FdRef file) {
    return ::faccessat(file.number(), "", W_OK, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

void chroot_to(FdRef directory, CString subject) {
    fchdir(directory, subject);
    traced_call(
        "chroot", subject.view(), [] { return ::chroot("."); },
        [] { return std::string{"\".\""}; });
}

void set_process_name(CString name) {
    traced_call(
        "prctl", "PR_SET_NAME", [&] { return ::prctl(PR_SET_NAME, name.c_str()); },
        [&] { return fmt::format("PR_SET_NAME, \"{}\"", name.view()); });
}

}  // namespace tenon::sys
