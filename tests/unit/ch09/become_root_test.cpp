// 09.4: the child becomes root in there, and nobody out here.
#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/sync_socket.hpp"
#include "tenon/userns.hpp"

namespace tenon::test {

namespace {

struct Maps {
    std::string uids;
    std::string gids;
    bool deny_setgroups = false;
};

// Moves the caller into a new user namespace whose maps are written by hand, by a child that stayed
// outside: these tests are of what comes after that.
void enter_mapped(const Maps& maps) {
    auto [ours, theirs] = SyncSocket::make_pair();
    const std::string folder = fmt::format("/proc/{}/", ::getpid());
    const pid_t mapper = ::fork();
    if (mapper == 0) {
        theirs.expect(SyncKind::Go);
        if (maps.deny_setgroups) write_file(folder + "setgroups", "deny");
        write_file(folder + "uid_map", maps.uids);
        write_file(folder + "gid_map", maps.gids);
        ::_exit(0);
    }
    check(::unshare(CLONE_NEWUSER), "unshare", "CLONE_NEWUSER");
    ours.send(SyncKind::Go);
    ::waitpid(mapper, nullptr, 0);
}

void take_groups() {
    constexpr std::array<gid_t, 2> groups{4, 27};
    check(::setgroups(groups.size(), groups.data()), "setgroups");
}

// Every id of the process, as the world outside sees it.
std::string ids_of(pid_t pid) {
    std::string groups = status_field(pid, "Groups");
    while (!groups.empty() && groups.back() == ' ') groups.pop_back();
    return fmt::format("uid {} gid {} groups [{}]", status_field(pid, "Uid"),
                       status_field(pid, "Gid"), groups);
}

std::string four_times(std::uint32_t id) {
    return fmt::format("{0}\t{0}\t{0}\t{0}", id);
}

// What the kernel says of a process in such a namespace after become_container_root.
std::string ids_after(const Maps& maps) {
    const Inside child(0, [&] {
        take_groups();
        enter_mapped(maps);
        become_container_root();
    });
    return ids_of(child.pid());
}

}  // namespace

TEST_CASE("become_container_root is root inside and somebody else outside", "[09.4]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    const auto uid = static_cast<std::uint32_t>(100000 + random_below(1000));
    const auto gid = static_cast<std::uint32_t>(200000 + random_below(1000));
    step(fmt::format("root of the host, in groups 4 and 27, in a namespace where 0 is {}", uid));
    const std::string got =
        ids_after({.uids = fmt::format("0 {} 10", uid), .gids = fmt::format("0 {} 10", gid)});
    step("outside: " + got);
    const std::string wanted =
        fmt::format("uid {} gid {} groups []", four_times(uid), four_times(gid));
    fact("still_host_root", got.starts_with("uid 0"));
    fact("gid_forgotten", got.find("gid 0") != std::string::npos);
    fact("groups_kept", got.find("groups [4 27]") != std::string::npos);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("become_container_root keeps its groups where leaving them is denied", "[09.4]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    step("setgroups is denied in the namespace: its maker was an ordinary user");
    std::string got;
    try {
        got = ids_after({.uids = "0 100000 1", .gids = "0 100000 1", .deny_setgroups = true});
    } catch (const SysError& error) {
        got = refusal_text(error);
    }
    step(got);
    fact("denial_is_fatal", got.starts_with("setgroups"));
    const std::string wanted = fmt::format("uid {0} gid {0} groups [4 27]", four_times(100000));
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("become_container_root has every right in there", "[09.4]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    const std::string got = run_inside(0, [] {
        enter_mapped({.uids = "0 100000 5", .gids = "0 100000 5"});
        become_container_root();
        check(::unshare(CLONE_NEWUTS), "unshare", "CLONE_NEWUTS");
        check(::sethostname("inside", 6), "sethostname");
        return std::string{"named"};
    });
    TENON_EXPECT(got == "named", "a new host name in a namespace of its own", got);
}

TEST_CASE("become_container_root says so where there is no root", "[09.4]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    step("the map has ids from 1 on");
    const std::string got = refusal([] {
        run_inside(0, [] {
            enter_mapped({.uids = "1 100000 5", .gids = "1 100000 5"});
            become_container_root();
            return std::string{};
        });
    });
    fact("no_root_unnoticed", got == "accepted");
    TENON_EXPECT(got == "setresgid 0: EINVAL", "setresgid 0: EINVAL", got);
}

TEST_CASE("enter_as_container_root stays tied to its parent, and unseen", "[uses-09.4]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    const std::string got = run_inside(0, [] {
        auto [ours, theirs] = SyncSocket::make_pair();
        enter_mapped({.uids = "0 100000 5", .gids = "0 100000 5"});
        enter_as_container_root(theirs);
        int signal = 0;
        check(::prctl(PR_GET_PDEATHSIG, &signal), "prctl");
        const bool seen = ::prctl(PR_GET_DUMPABLE) == 1;
        return fmt::format("death signal {}, {}", signal, seen ? "seen" : "unseen");
    });
    CHECK(got == "death signal 9, unseen");
}

TEST_CASE("enter_as_container_root ends when its parent has", "[uses-09.4]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    const std::string got = run_inside(0, [] {
        const pid_t orphan = ::fork();
        if (orphan == 0) {
            auto [ours, theirs] = SyncSocket::make_pair();
            enter_mapped({.uids = "0 100000 5", .gids = "0 100000 5"});
            ours.close();
            enter_as_container_root(theirs);
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(orphan, &status, 0);
        return std::to_string(WEXITSTATUS(status));
    });
    CHECK(got == "125");
}

}  // namespace tenon::test
