#include "sandbox.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <stdexcept>

#include "kernel_view.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

std::string& privilege_problem() {
    static std::string problem;
    return problem;
}

bool& real_root() {
    static bool is_root = false;
    return is_root;
}

void become_root_of_new_user_namespace() {
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    check(::unshare(CLONE_NEWUSER), "unshare", "CLONE_NEWUSER");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

void make_own_host() {
    check(::unshare(CLONE_NEWNS), "unshare", "CLONE_NEWNS");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr), "mount", "/ as slave");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/ as private");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr), "mount", "/ as shared");
}

// Numbers at both ends of one range: the first user namespace maps everything to itself.
bool in_first_user_namespace() {
    std::ifstream map{"/proc/self/uid_map"};
    std::uint64_t inside = 1;
    std::uint64_t outside = 1;
    std::uint64_t length = 0;
    map >> inside >> outside >> length;
    return inside == 0 && outside == 0 && length == 4294967295U;
}

[[noreturn]] void run_setup(const SyncSocket& socket, const std::function<void()>& setup) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        setup();
        socket.send(SyncKind::Go);
        static_cast<void>(socket.receive());  // until the test is done with us
    } catch (...) {
        socket.send_failure(std::current_exception());
    }
    ::_exit(0);
}

// unshare(CLONE_NEWPID) moves only children: so the process that unshares forks once more. Its
// child reports its own pid as the parent sees it through the socket's credentials-free way: the
// intermediate sends what fork returned.
[[noreturn]] void run_intermediate(std::uint64_t flags, const SyncSocket& socket,
                                   const std::function<void()>& setup) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        check(::unshare(static_cast<int>(flags)), "unshare", "the test's own namespaces");
    } catch (...) {
        socket.send_failure(std::current_exception());
        ::_exit(1);
    }
    const pid_t pid = ::fork();
    if (pid == 0) run_setup(socket, setup);
    socket.send(SyncKind::Spawned, std::to_string(pid));
    int status = 0;
    ::waitpid(pid, &status, 0);
    ::_exit(0);
}

}  // namespace

std::string enter_test_host() {
    real_root() = ::geteuid() == 0 && in_first_user_namespace();
    try {
        if (::geteuid() != 0) become_root_of_new_user_namespace();
        make_own_host();
    } catch (const SysError& e) {
        privilege_problem() = std::string{"needs root or user namespaces: "} + e.what();
    }
    return privilege_problem();
}

const std::string& missing_privilege() {
    return privilege_problem();
}

bool is_real_root() {
    return real_root();
}

Inside::Inside(std::uint64_t flags, const std::function<void()>& setup) {
    auto [ours, theirs] = SyncSocket::make_pair();
    intermediate_ = ::fork();
    if (intermediate_ == 0) {
        ours.close();
        run_intermediate(flags, theirs, setup);
    }
    theirs.close();
    socket_ = std::move(ours);
    try {
        // The setup's own message may overtake the intermediate's: both are needed.
        bool ready = false;
        while (!ready || pid_ < 0) {
            std::optional<SyncMessage> message = socket_.receive();
            if (!message) throw std::runtime_error("the test's process ended early");
            if (message->kind == SyncKind::Failed) rethrow_failure(*message);
            if (message->kind == SyncKind::Spawned) pid_ = std::stoi(message->text);
            ready = ready || message->kind == SyncKind::Go;
        }
    } catch (...) {
        socket_.close();
        ::kill(intermediate_, SIGKILL);
        ::waitpid(intermediate_, nullptr, 0);
        throw;
    }
}

Inside::~Inside() {
    socket_.close();  // ends the waiting, then the intermediate
    ::waitpid(intermediate_, nullptr, 0);
}

std::string run_inside(std::uint64_t flags, const std::function<std::string()>& body) {
    const TemporaryDirectory exchange;
    const std::filesystem::path file = exchange.path() / "result";
    const int descriptor = ::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const UniqueFd out{static_cast<int>(check(descriptor, "open", file.native()))};
    {
        const Inside process(flags, [&] {
            const std::string text = body();
            // Through a descriptor: the body may have left the path behind.
            check(::write(descriptor, text.data(), text.size()), "write", "the result");
        });
    }
    return read_file(file);
}

}  // namespace tenon::test
