// ptrace(2), PTRACE_SYSCALL: the child stops as each of its system calls begins, with what it is
// about to say still in its memory.
#include "overtaken.hpp"

#include <linux/rtnetlink.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "forked.hpp"

namespace tenon::test {

namespace {

constexpr int stopped_at_call = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD

// sendto(socket, message, ..): the first eight bytes of a nlmsghdr have its type and its flags.
bool asks_for_device(pid_t pid) {
    __ptrace_syscall_info call{};
    check(::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call), "ptrace");
    if (call.op != PTRACE_SYSCALL_INFO_ENTRY || call.entry.nr != SYS_sendto) return false;
    const long word = ::ptrace(PTRACE_PEEKDATA, pid, call.entry.args[1], nullptr);
    nlmsghdr message{};
    static_assert(sizeof word >= offsetof(nlmsghdr, nlmsg_seq));
    std::memcpy(&message, &word, offsetof(nlmsghdr, nlmsg_seq));
    return message.nlmsg_type == RTM_NEWLINK && (message.nlmsg_flags & NLM_F_CREATE) != 0;
}

// A signal that is none of ours is the child's own.
int passed_on(int signal) {
    return signal == stopped_at_call || signal == SIGSTOP ? 0 : signal;
}

[[noreturn]] void run_traced(const std::function<int()>& body) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    detail::run_body(body);
}

}  // namespace

Overtaken overtake(const std::function<int()>& body, const std::function<void()>& meanwhile) {
    const pid_t pid = ::fork();
    if (pid == 0) run_traced(body);
    Overtaken found;
    check(::waitpid(pid, &found.wait_status, 0), "waitpid");
    ::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (WIFSTOPPED(found.wait_status)) {
        const int signal = WSTOPSIG(found.wait_status);
        if (!found.asked && signal == stopped_at_call && asks_for_device(pid)) {
            found.asked = true;
            meanwhile();
        }
        check(::ptrace(PTRACE_SYSCALL, pid, nullptr, passed_on(signal)), "ptrace");
        check(::waitpid(pid, &found.wait_status, 0), "waitpid");
    }
    return found;
}

}  // namespace tenon::test
