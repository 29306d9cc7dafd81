// What a process is, call by call.
#include "tenon/process_syscalls.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "traced_call.hpp"

namespace tenon::sys {

namespace {

// include/uapi/linux/sched/types.h, SCHED_ATTR_SIZE_VER0. Its header clashes with glibc's own
// struct sched_param.
struct KernelSchedulerAttributes {
    std::uint32_t size = 0;
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};

constexpr int who_process = 1;  // IOPRIO_WHO_PROCESS, not in any header of the C library

}  // namespace

void set_own_limit(int resource, std::uint64_t soft, std::uint64_t hard, CString name) {
    const rlimit limit{.rlim_cur = soft, .rlim_max = hard};
    traced_call(
        "prlimit", name.view(),
        [&] { return ::syscall(SYS_prlimit64, 0, resource, &limit, nullptr); },
        [&] { return fmt::format("{}, soft {}, hard {}", name.view(), soft, hard); });
}

ProcessLimit limit_of(pid_t process, int resource) {
    rlimit limit{};
    traced_call(
        "prlimit", {}, [&] { return ::syscall(SYS_prlimit64, process, resource, nullptr, &limit); },
        [&] { return fmt::format("{}, {}", process, resource); });
    return {limit.rlim_cur, limit.rlim_max};
}

void raise_hard_limit(pid_t process, int resource, std::uint64_t hard) {
    const rlimit limit{.rlim_cur = limit_of(process, resource).soft, .rlim_max = hard};
    traced_call(
        "prlimit", {}, [&] { return ::syscall(SYS_prlimit64, process, resource, &limit, nullptr); },
        [&] { return fmt::format("{}, {}, hard {}", process, resource, hard); });
}

void sched_setattr(const SchedulerAttributes& attributes, CString name) {
    KernelSchedulerAttributes wanted{};
    wanted.size = sizeof wanted;
    wanted.policy = attributes.policy;
    wanted.flags = attributes.flags;
    wanted.nice = attributes.nice;
    wanted.priority = attributes.priority;
    wanted.runtime = attributes.runtime;
    wanted.deadline = attributes.deadline;
    wanted.period = attributes.period;
    traced_call(
        "sched_setattr", name.view(), [&] { return ::syscall(SYS_sched_setattr, 0, &wanted, 0U); },
        [&] {
            return fmt::format("{}, nice {}, priority {}", name.view(), attributes.nice,
                               attributes.priority);
        });
}

void set_own_io_priority(int value, CString name) {
    traced_call(
        "ioprio_set", name.view(), [&] { return ::syscall(SYS_ioprio_set, who_process, 0, value); },
        [&] { return fmt::format("{}, {:#x}", name.view(), value); });
}

void personality(unsigned long persona, CString name) {
    traced_call(
        "personality", name.view(), [&] { return ::personality(persona); },
        [&] { return std::string{name.view()}; });
}

void set_mempolicy(int mode, std::span<const unsigned long> nodes, CString name) {
    // The kernel takes one bit fewer than it is told: set_mempolicy(2), "maxnode".
    const std::size_t bits = nodes.empty() ? 0 : nodes.size_bytes() * CHAR_BIT + 1;
    traced_call(
        "set_mempolicy", name.view(),
        [&] { return ::syscall(SYS_set_mempolicy, mode, nodes.data(), bits); },
        [&] { return std::string{name.view()}; });
}

void sched_setaffinity(std::span<const unsigned long> cpus) {
    traced_call(
        "sched_setaffinity", "execCPUAffinity",
        [&] { return ::syscall(SYS_sched_setaffinity, 0, cpus.size_bytes(), cpus.data()); },
        [&] { return fmt::format("{} bytes", cpus.size_bytes()); });
}

mode_t umask(mode_t mask) {
    return ::umask(mask);  // cannot fail
}

void join_session_keyring(CString name) {
    check(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str()), "keyctl", name.view());
}

std::string getcwd() {
    std::array<char, PATH_MAX> path{};
    const long length = traced_call(
        "getcwd", {}, [&] { return ::syscall(SYS_getcwd, path.data(), path.size()); },
        [] { return std::string{}; });
    return {path.data(), static_cast<std::size_t>(length) - 1};
}

void setgroups(std::span<const gid_t> groups) {
    traced_call(
        "setgroups", {}, [&] { return ::setgroups(groups.size(), groups.data()); },
        [&] { return fmt::format("{}, [{}]", groups.size(), fmt::join(groups, " ")); });
}

void setresgid(gid_t gid) {
    const std::string text = std::to_string(gid);
    traced_call(
        "setresgid", text, [&] { return ::setresgid(gid, gid, gid); },
        [&] { return fmt::format("{0}, {0}, {0}", gid); });
}

void setresuid(uid_t uid) {
    const std::string text = std::to_string(uid);
    traced_call(
        "setresuid", text, [&] { return ::setresuid(uid, uid, uid); },
        [&] { return fmt::format("{0}, {0}, {0}", uid); });
}

}  // namespace tenon::sys
