// Two threads and three words of memory. See the chart in seccomp_listener.hpp.
#include "tenon/seccomp_listener.hpp"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "tenon/error.hpp"
#include "tenon/program.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/unix_socket.hpp"

namespace tenon::seccomp {

namespace {

using Json = nlohmann::json;

// What the two threads say to each other. It is never freed: execve takes the memory away.
struct HandOver {
    static constexpr int not_yet = -1;
    static constexpr int failed = -2;
    std::atomic<int> listener{not_yet};  // its number, or failed: there is no filter
    std::atomic<bool> sent{false};

    UniqueFd agent;
    std::string state;
    const SyncSocket* to_parent = nullptr;
};

// This thread has no filter, so it may ask for the processor to go to the other one. The wait is as
// long as seccomp(2) takes; no event can end it, because to cause one is a system call.
int wait_for_listener(const HandOver& hand_over) {
    int number = hand_over.listener.load();
    while (number == HandOver::not_yet) {
        ::sched_yield();
        number = hand_over.listener.load();
    }
    return number;
}

void send(HandOver& hand_over) {
    const int number = wait_for_listener(hand_over);
    if (number == HandOver::failed) return;
    const UniqueFd listener{number};
    sys::send_with_descriptor(hand_over.agent, hand_over.state, listener, "the seccomp agent");
    // "The connection MUST be closed after sending": whoever else has a copy of the descriptor.
    sys::shutdown(hand_over.agent, SHUT_RDWR);
    hand_over.agent.reset();
}

// The second thread. Its exit ends the first one, too, wherever that is: exit_group(2).
void run_second_thread(HandOver& hand_over) noexcept {
    try {
        send(hand_over);
    } catch (...) {
        hand_over.to_parent->send_failure(std::current_exception());
        ::_exit(exit_own_failure);
    }
    hand_over.sent.store(true);
}

void begin_second_thread(HandOver& hand_over) {
    try {
        // Detached: to join it would be a system call.
        std::thread{[&hand_over] { run_second_thread(hand_over); }}.detach();
    } catch (const std::system_error& error) {
        throw SysError(error.code().value(), "clone3", "a thread that tells the seccomp agent");
    }
}

// Whoever waits by looking keeps the one he waits for from the only processor: SCHED_FIFO takes
// nobody off it for another of the same priority. sched(7)
bool would_wait_for_ever() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    const bool first_in_first_out = (::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO;
    check(::sched_getaffinity(0, sizeof allowed, &allowed), "sched_getaffinity");
    return first_in_first_out && CPU_COUNT(&allowed) == 1;
}

}  // namespace

std::string process_state(const ContainerProcess& process) {
    Json state{{"ociVersion", process.oci_version},
               {"id", process.id},
               {"status", process.status},
               {"pid", process.pid},
               {"bundle", process.bundle}};
    if (!process.annotations.empty()) state["annotations"] = process.annotations;
    Json all{{"ociVersion", process.oci_version},
             {"fds", Json::array({"seccompFd"})},
             {"pid", process.pid},
             {"state", std::move(state)}};
    if (!process.metadata.empty()) all["metadata"] = process.metadata;
    return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

pid_t own_pid_outside(FdRef proc) {
    if (sys::file_system_type(proc) != PROC_SUPER_MAGIC)
        throw SysError(EXDEV, "readlinkat", "/proc");
    const std::string link = sys::readlinkat(proc, "self");
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(link.data(), link.data() + link.size(), pid);
    if (error != std::errc{} || pid <= 0) throw SysError(ESRCH, "readlinkat", "/proc/self");
    return pid;
}

UniqueFd connect_agent(const std::string& path) {
    const trace::Step step{8, "connect to the seccomp agent",
                           "while the host's paths are in sight"};
    if (!path.starts_with('/') || path.ends_with('/')) {
        throw std::invalid_argument("seccomp: listenerPath " + path + " is no absolute path");
    }
    return connect_to(path, SOCK_STREAM);
}

void install_and_notify(const Filter& filter, UniqueFd agent, const std::string& state,
                        const SyncSocket& to_parent) {
    if (!filter.wants_listener) {
        agent.reset();  // before the filter: it might forbid close(2)
        install(filter);
        return;
    }
    if (!agent.valid()) throw std::invalid_argument(no_listener_path);
    if (would_wait_for_ever()) {
        throw std::invalid_argument(
            "seccomp: with SCHED_FIFO on one CPU the listener cannot be handed to its agent: use "
            "SCHED_RR, or allow another CPU");
    }
    const trace::Step step{8, "hand the listener to the agent", "or the first call waits for ever"};
    auto* const hand_over =
        new HandOver{.agent = std::move(agent), .state = state, .to_parent = &to_parent};
    begin_second_thread(*hand_over);
    try {
        // From its return on no system call, and so no allocation, is made by this thread.
        hand_over->listener.store(install(filter)->release());
    } catch (...) {
        hand_over->listener.store(HandOver::failed);
        throw;
    }
    while (!hand_over->sent.load()) {
    }
}

}  // namespace tenon::seccomp
