// A program that is opened so that nobody can write to it, by either way.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/process.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/unwritable.hpp"

namespace tenon::test {

namespace {

// Copies of a program of this machine's: what is tried on them harms nobody.
std::string own_true(const TemporaryDirectory& folder) {
    const std::filesystem::path path = folder.path() / "true";
    std::filesystem::copy_file("/bin/true", path);
    return path;
}

std::string write_through(FdRef program) {
    const std::string door = fmt::format("/proc/self/fd/{}", program.number());
    return refusal([&] {
        const UniqueFd file = sys::openat(FdRef::working_directory(), door, O_WRONLY);
        sys::write_once(file, "evil", door);
    });
}

int code_of(FdRef program) {
    return run_forked([&]() -> int {
               exec_file(program, "true", {{"true"}, {}});
           })
        .status.shell_code();
}

}  // namespace

TEST_CASE("open_unwritable opens a program that runs and cannot be written to", "[07]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory folder;
    const std::string path = own_true(folder);
    const UniqueFd program = open_unwritable(path);
    CHECK(is_unwritable(program));
    CHECK(write_through(program) != "accepted");
    CHECK(code_of(program) == 0);
    // The file itself is what it was.
    CHECK_FALSE(is_unwritable(sys::openat(FdRef::working_directory(), path, O_RDONLY)));
}

TEST_CASE("open_unwritable copies and seals where no mount may be made", "[07]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory folder;
    const std::string path = own_true(folder);
    const Forked done = run_forked([&] {
        // A user namespace without its mounts: they are its parent's.
        check(::unshare(CLONE_NEWUSER), "unshare");
        const UniqueFd program = open_unwritable(path);
        if (sys::seals_of(program) == 0 || !is_unwritable(program)) return 1;
        if (write_through(program) == "accepted") return 2;
        exec_file(program, "true", {{"true"}, {}});
    });
    CHECK(done.out.empty());
    CHECK(done.status == ExitStatus::exited(0));
}

TEST_CASE("a program of root's is out of an ordinary user's reach", "[07]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    struct Case {
        uid_t owner;
        mode_t mode;
        uid_t caller;
        bool out_of_reach;
    };
    const uid_t user = 1000 + std::random_device{}() % 60'000;
    const Case cases[] = {{0, 0755, user, true},         {0, 0755, 0, false},
                          {user, 0755, user, false},     {user, 0555, user, false},
                          {user + 1, 0755, user, false}, {0, 0775, user, false},
                          {0, 0757, user, false}};
    for (const Case& each : cases) {
        const TemporaryDirectory folder;
        const std::string path = own_true(folder);
        check(::chown(path.c_str(), each.owner, each.owner), "chown");
        check(::chmod(path.c_str(), each.mode), "chmod");
        const UniqueFd program = sys::openat(FdRef::working_directory(), path, O_RDONLY);
        const Forked done = run_forked([&] {
            check(::setresuid(each.caller, each.caller, each.caller), "setresuid");
            return is_out_of_reach(program) ? 0 : 1;
        });
        INFO(each.owner << " " << each.mode << " " << each.caller);
        CHECK(done.status.shell_code() == (each.out_of_reach ? 0 : 1));
    }
}

TEST_CASE("open_unwritable says what is not there", "[07]") {
    const std::string path = "/nowhere/" + random_name(8);
    CHECK(refusal([&] { open_unwritable(path); }).find(path) != std::string::npos);
}

TEST_CASE("exec_file keeps what is blocked only when asked to", "[07]") {
    for (const StartMask mask : {StartMask::Empty, StartMask::AsItIs}) {
        const Forked done = run_forked([&]() -> int {
            sys::set_signal_mask(std::uint64_t{1} << (SIGUSR1 - 1));
            const UniqueFd program = sys::openat(FdRef::working_directory(), "/bin/grep", O_RDONLY);
            exec_file(program, "grep", {{"grep", "SigBlk", "/proc/self/status"}, {}}, mask);
        });
        INFO(done.out);
        const bool blocked = done.out.find("0000000000000200") != std::string::npos;
        CHECK(blocked == (mask == StartMask::AsItIs));
    }
}

}  // namespace tenon::test
