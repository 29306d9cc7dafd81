// 08.4: what the kernel does once a filter is there. Each in a process of its own: there is no way
// back.
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <cerrno>
#include <thread>

#include "descriptors.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "policies.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/seccomp.hpp"

namespace tenon::test {

namespace {

using seccomp::Filter;

// A filter for one call, made by hand: 08.3 may not be written yet.
Filter filter_for(const char* name, std::uint32_t action) {
    return {.program = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number_of(name)},
                        {BPF_RET | BPF_K, 0, 0, action},
                        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}}};
}

std::string mkdir_result() {
    return ::mkdir("/nowhere/at/all", 0700) == 0 ? "made" : errno_name(errno);
}

// In a child with no_new_privs, what install() leads to and then `look`.
Forked installed(const Filter& filter, const std::function<std::string(UniqueFd)>& look) {
    return run_forked([&] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        std::optional<UniqueFd> listener = seccomp::install(filter);
        say(look(listener ? std::move(*listener) : UniqueFd{}));
        return 0;
    });
}

// Without CAP_SYS_ADMIN, in whatever user namespace.
void drop_all_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    check(::syscall(SYS_capset, &header, none.data()), "capset");
}

}  // namespace

TEST_CASE("install puts the filter before every call", "[08.4]") {
    const Filter filter = filter_for("mkdir", SECCOMP_RET_ERRNO | ENOTNAM);
    const Forked child = installed(filter, [](UniqueFd) {
        return mkdir_result() + " " + status_field(::getpid(), "Seccomp");
    });
    fact("not_installed", child.out == "ENOENT 0");
    TENON_EXPECT(child.out == "ENOTNAM 2", "mkdir: ENOTNAM, Seccomp 2 in /proc/self/status",
                 child.out);
}

TEST_CASE("install is for the children, too, and for good", "[08.4]") {
    const Forked child = installed(filter_for("mkdir", SECCOMP_RET_ERRNO | ENOTNAM), [](UniqueFd) {
        const Forked grandchild = run_forked([] {
            say(mkdir_result());
            return 0;
        });
        // A second filter that allows takes nothing back.
        seccomp::install(filter_for("rmdir", SECCOMP_RET_ALLOW));
        return grandchild.out + " " + mkdir_result();
    });
    TENON_EXPECT(child.out == "ENOTNAM ENOTNAM", "ENOTNAM in a child, and after a second filter",
                 child.out);
}

TEST_CASE("install kills by the filter's word", "[08.4]") {
    const Forked child = installed(filter_for("mkdir", SECCOMP_RET_KILL_PROCESS),
                                   [](UniqueFd) { return mkdir_result(); });
    TENON_EXPECT(child.status == ExitStatus::signaled(SIGSYS), "ended by SIGSYS",
                 Catch::StringMaker<ExitStatus>::convert(child.status));
}

TEST_CASE("install returns a listener only where one is wanted", "[08.4]") {
    const Forked without =
        installed(filter_for("mkdir", SECCOMP_RET_ERRNO | ENOTNAM),
                  [](UniqueFd listener) { return std::string{listener.valid() ? "one" : "none"}; });
    fact("listener_unasked", without.out == "one");
    TENON_EXPECT(without.out == "none", "no listener", without.out);
    Filter filter = filter_for("mkdir", SECCOMP_RET_USER_NOTIF);
    filter.wants_listener = true;
    const Forked with = installed(filter, [](UniqueFd listener) {
        if (!listener.valid()) return std::string{"none"};
        return std::string{is_cloexec(listener) ? "close-on-exec" : "inherited"};
    });
    fact("no_listener", with.out == "none");
    TENON_EXPECT(with.out == "close-on-exec", "a listener, close-on-exec", with.out);
}

TEST_CASE("what the listener is told decides the call", "[08.4]") {
    Filter filter = filter_for("mkdir", SECCOMP_RET_USER_NOTIF);
    filter.wants_listener = true;
    const Forked child = run_forked([&] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        std::atomic<int> listener{-1};
        // Filters are per thread: this one has none, and answers.
        std::thread answers([&] {
            while (listener.load() == -1) ::sched_yield();
            if (listener.load() < 0) return;
            seccomp_notif asked{};
            ::ioctl(listener.load(), SECCOMP_IOCTL_NOTIF_RECV, &asked);
            seccomp_notif_resp answer{asked.id, 0, -EXFULL, 0};
            ::ioctl(listener.load(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
        });
        std::optional<UniqueFd> installed;
        try {
            installed = seccomp::install(filter);
        } catch (...) {  // the thread must end first
            listener.store(-2);
            answers.join();
            throw;
        }
        listener.store(installed && installed->valid() ? installed->ref().number() : -2);
        say(mkdir_result());
        answers.join();
        return 0;
    });
    fact("no_listener", child.out == "ENOSYS");
    TENON_EXPECT(child.out == "EXFULL", "mkdir: EXFULL, as the listener answered", child.out);
}

TEST_CASE("install passes the filter's flags on", "[08.4]") {
    Filter filter = filter_for("mkdir", SECCOMP_RET_ERRNO | ENOTNAM);
    filter.flags = 1U << 20;  // no kernel has it
    const Forked child = run_forked([&] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        say(refusal([&] { seccomp::install(filter); }));
        return 0;
    });
    fact("flags_lost", child.out == "accepted");
    TENON_EXPECT(child.out == "seccomp SECCOMP_SET_MODE_FILTER: EINVAL",
                 "seccomp: EINVAL for a flag that no kernel has", child.out);
}

TEST_CASE("install needs no_new_privs or CAP_SYS_ADMIN", "[08.4]") {
    const Filter filter = filter_for("mkdir", SECCOMP_RET_ERRNO | ENOTNAM);
    const auto refused = [&](bool no_new_privs) {
        return run_forked([&] {
                   drop_all_capabilities();
                   if (no_new_privs) ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                   say(refusal([&] { seccomp::install(filter); }));
                   return 0;
               })
            .out;
    };
    const std::string without = refused(false);
    TENON_EXPECT(without == "seccomp SECCOMP_SET_MODE_FILTER: EACCES", "seccomp: EACCES", without);
    TENON_EXPECT(refused(true) == "accepted", "accepted with no_new_privs", refused(true));
}

TEST_CASE("a second listener is refused", "[08.4]") {
    Filter filter = filter_for("mkdir", SECCOMP_RET_USER_NOTIF);
    filter.wants_listener = true;
    const Forked child =
        installed(filter, [&](UniqueFd) { return refusal([&] { seccomp::install(filter); }); });
    fact("no_listener", child.out == "accepted");
    TENON_EXPECT(child.out == "seccomp SECCOMP_SET_MODE_FILTER: EBUSY", "seccomp: EBUSY",
                 child.out);
}

TEST_CASE("the kernel is asked which actions it has") {
    CHECK(seccomp::kernel_has_action(SECCOMP_RET_ALLOW));
    CHECK(seccomp::kernel_has_action(SECCOMP_RET_ERRNO | ENOENT));
    CHECK_FALSE(seccomp::kernel_has_action(0x12340000));
}

}  // namespace tenon::test
