// 05.3: who has which address, for two commands at once and after one that was killed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <set>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/address_pool.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon::test {

namespace {

// A state folder and a pool in it: 10.87.0.0/29 has five addresses for containers.
struct Pool {
    TemporaryDirectory folder;
    UniqueFd state = sys::openat(FdRef::working_directory(), folder.path(), O_RDONLY | O_DIRECTORY);
    AddressPool pool;

    explicit Pool(const char* subnet = "10.87.0.0/29") : pool(state, Subnet::parse(subnet)) {}

    std::string lease(const std::string& owner, const char* wanted = nullptr) {
        std::optional<IpAddress> address;
        if (wanted != nullptr) address = IpAddress::parse(wanted);
        const std::string got = pool.lease(owner, address).text();
        step(fmt::format("lease(\"{}\"{}{}): {}", owner, wanted == nullptr ? "" : ", ",
                         wanted == nullptr ? "" : wanted, got));
        return got;
    }
    std::string refusal(const std::string& owner, const char* wanted = nullptr) {
        try {
            return "got " + lease(owner, wanted);
        } catch (const std::logic_error& error) {
            if (dynamic_cast<const std::invalid_argument*>(&error) == nullptr) throw;
            return error.what();
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }
    [[nodiscard]] std::filesystem::path file(const char* name = "10.87.0.0-29.leases") const {
        return folder.path() / name;
    }
};

bool says(const std::string& text, std::string_view word) {
    return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("a pool hands out each address that a container can have, once", "[05.3]") {
    Pool pool;
    std::set<std::string> got;
    for (int i = 0; i < 5; ++i) got.insert(pool.lease(fmt::format("c{}", i)));
    fact("gateway_given", got.contains("10.87.0.1"));
    fact("network_given", got.contains("10.87.0.0"));
    TENON_EXPECT(got == (std::set<std::string>{"10.87.0.2", "10.87.0.3", "10.87.0.4", "10.87.0.5",
                                               "10.87.0.6"}),
                 "10.87.0.2 to 10.87.0.6", fmt::format("{} addresses", got.size()));
    const std::string refused = pool.refusal("c5");
    fact("broadcast_given", says(refused, "got 10.87.0.7"));
    TENON_EXPECT(says(refused, "5 addresses of 10.87.0.0/29") && says(refused, "--subnet"),
                 "exhausted: how many of which, and what to do", refused);
}

TEST_CASE("an owner that asks again has its address still", "[05.3]") {
    Pool pool;
    const std::string first = pool.lease("web");
    const std::string again = pool.lease("web");
    fact("second_address", first != again);
    TENON_EXPECT(again == first, first, again);
    TENON_EXPECT(pool.pool.leases().size() == 1, "one lease",
                 fmt::format("{}", pool.pool.leases().size()));
}

TEST_CASE("an address that was given back is used last", "[05.3]") {
    Pool pool;
    pool.lease("a");
    pool.lease("b");
    step("release(\"b\")");
    pool.pool.release("b");
    const std::string next = pool.lease("c");
    fact("used_again_at_once", next == "10.87.0.3");
    TENON_EXPECT(next == "10.87.0.4", "10.87.0.4, the one after the last", next);
    pool.lease("d");
    pool.lease("e");
    const std::string wrapped = pool.lease("f");
    TENON_EXPECT(wrapped == "10.87.0.3", "10.87.0.3, when all others are taken", wrapped);
}

TEST_CASE("release gives back what an owner has, and nothing else", "[05.3]") {
    Pool pool;
    pool.lease("a");
    pool.lease("b");
    pool.pool.release("a");
    pool.pool.release("a");
    pool.pool.release("nobody");
    const std::vector<Lease> left = pool.pool.leases();
    const bool right = left.size() == 1 && left.front().owner == "b";
    TENON_EXPECT(right, "b's lease alone", fmt::format("{} leases", left.size()));
}

TEST_CASE("an address that is asked for is given, or refused with the reason", "[05.3]") {
    Pool pool;
    TENON_EXPECT(pool.lease("web", "10.87.0.5") == "10.87.0.5", "10.87.0.5", "another");
    const std::string taken = pool.refusal("db", "10.87.0.5");
    fact("given_twice", says(taken, "got 10.87.0.5"));
    TENON_EXPECT(says(taken, "taken by web"), "taken, and by whom", taken);
    const std::string gateway = pool.refusal("db", "10.87.0.1");
    fact("gateway_given", says(gateway, "got 10.87.0.1"));
    TENON_EXPECT(says(gateway, "gateway"), "the gateway's", gateway);
    TENON_EXPECT(says(pool.refusal("db", "10.87.0.0"), "network"), "the network's",
                 pool.refusal("db", "10.87.0.0"));
    TENON_EXPECT(says(pool.refusal("db", "10.87.0.7"), "broadcast"), "the broadcast address",
                 pool.refusal("db", "10.87.0.7"));
    TENON_EXPECT(says(pool.refusal("db", "10.88.0.2"), "10.87.0.0/29"), "not in 10.87.0.0/29",
                 pool.refusal("db", "10.88.0.2"));
    TENON_EXPECT(pool.pool.leases().size() == 1, "one lease", "more");
}

TEST_CASE("an IPv6 network has no broadcast address", "[05.3]") {
    Pool pool{"fd87::/126"};
    const std::string first = pool.lease("a");
    const std::string last = pool.lease("b", "fd87::3");
    TENON_EXPECT(first == "fd87::2" && last == "fd87::3", "fd87::2 and fd87::3",
                 first + " and " + last);
    TENON_EXPECT(says(pool.refusal("c"), "2 addresses"), "exhausted", pool.refusal("c"));
    Pool large{"fd87::/64"};
    TENON_EXPECT(large.lease("a") == "fd87::2", "fd87::2", "another");
}

TEST_CASE("many commands at once get an address each", "[05.3]") {
    Pool pool{"10.87.0.0/24"};
    constexpr int commands = 8;
    constexpr int rounds = 12;
    const Forked all = run_forked([&] {
        std::vector<pid_t> pids;
        for (int i = 0; i < commands; ++i) {
            const pid_t pid = ::fork();
            if (pid != 0) {
                pids.push_back(pid);
                continue;
            }
            detail::run_body([&] {
                for (int n = 0; n < rounds; ++n) pool.pool.lease(fmt::format("c{}-{}", i, n));
                return 0;
            });
        }
        int failed = 0;
        for (const pid_t pid : pids) {
            int status = 0;
            ::waitpid(pid, &status, 0);
            failed += status != 0 ? 1 : 0;
        }
        return failed;
    });
    step(fmt::format("{} processes lease {} addresses each", commands, rounds));
    std::set<std::string> addresses;
    const std::vector<Lease> leases = pool.pool.leases();
    for (const Lease& lease : leases) addresses.insert(lease.address.text());
    const std::string seen =
        fmt::format("{} leases, {} addresses, {}", leases.size(), addresses.size(), all.out);
    fact("lost_leases", leases.size() != commands * rounds);
    TENON_EXPECT(leases.size() == commands * rounds, "96 leases", seen);
    TENON_EXPECT(addresses.size() == leases.size(), "as many addresses", seen);
}

TEST_CASE("whoever reads meanwhile sees the old leases or the new ones", "[05.3]") {
    Pool pool;
    pool.lease("a");
    const std::string before = read_file(pool.file());
    const UniqueFd reader = sys::openat(pool.state, "10.87.0.0-29.leases", O_RDONLY);
    pool.lease("b");
    const std::string old = sys::pread_start(reader, 4096);
    step("the file as it was opened before the second lease: " + old);
    fact("written_in_place", old != before);
    TENON_EXPECT(old == before, before, old);
    TENON_EXPECT(read_file(pool.file()) != before, "a new file", "the old one");
}

TEST_CASE("leases outlive the process, and a lock does not", "[05.3]") {
    Pool pool;
    const Forked killed = run_forked([&] {
        pool.pool.lease("a");
        const UniqueFd lock =
            sys::openat(pool.state, "10.87.0.0-29.leases.lock", O_RDWR | O_CREAT, 0600);
        ::flock(lock.ref().number(), LOCK_EX);
        ::kill(::getpid(), SIGKILL);
        return 0;
    });
    TENON_EXPECT(killed.status.signal() == SIGKILL, "killed", "alive");
    const std::string next = pool.lease("b");
    TENON_EXPECT(next == "10.87.0.3", "10.87.0.3: the dead process has 10.87.0.2 still", next);
}

TEST_CASE("a line that is no lease is named", "[05.3]") {
    Pool pool;
    write_file(pool.file(), "10.87.0.2 web\n10.87.0.300 db\n");
    const std::string refused = pool.refusal("a");
    TENON_EXPECT(says(refused, "10.87.0.0-29.leases:2") && says(refused, "10.87.0.300 db"),
                 "file, line and text", refused);
}

TEST_CASE("an owner's name is one word that can name a file") {
    Pool pool;
    for (const char* name : {"", "a b", "../x", ".x", "a\nb", "\xc3\xa4"}) {
        TENON_EXPECT(says(pool.refusal(name), "no name"), "refused", pool.refusal(name));
    }
}

}  // namespace tenon::test
