// 09.3: the maps of a namespace, written from outside.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <sstream>

#include "ordinary_user.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/todo.hpp"
#include "tenon/userns.hpp"

namespace tenon::test {

namespace {

// A file of the process without needless blanks: `0 1000 1; 1 100000 5`.
std::string words_of(pid_t pid, const char* file) {
    std::istringstream lines{read_file(fmt::format("/proc/{}/{}", pid, file))};
    std::string text;
    std::string inside;
    std::string outside;
    std::string size;
    while (lines >> inside) {
        if (!(lines >> outside >> size)) return text + inside;
        text += fmt::format("{}{} {} {}", text.empty() ? "" : "; ", inside, outside, size);
    }
    return text;
}

// What the kernel says of a new namespace after write_id_mappings, or what that threw.
std::string written(const IdMappings& mappings) {
    const Inside child(CLONE_NEWUSER, [] {});
    std::string problem;
    try {
        write_id_mappings(child.pid(), mappings);
    } catch (const NotImplemented&) {
        throw;
    } catch (const std::exception& error) {
        problem = std::string{" | "} + error.what();
    }
    return fmt::format("uid {} | gid {} | setgroups {}{}", words_of(child.pid(), "uid_map"),
                       words_of(child.pid(), "gid_map"), words_of(child.pid(), "setgroups"),
                       problem);
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("write_id_mappings as root writes each map whole", "[09.3][uses-09.2]") {
    TENON_NEED(is_real_root(), "needs real root, to map ids of others");
    const auto first = static_cast<std::uint32_t>(100000 + random_below(1000));
    const IdMappings mappings{.uids = {{0, first, 10}, {10, first + 50, 5}},
                              .gids = {{0, first + 7, 3}, {3, first + 500, 1}, {9, 5, 1}}};
    const std::string got = written(mappings);
    step("root writes two lines of uids and three of gids");
    step(got);
    fact("one_line_written", has(got, fmt::format("uid 0 {} 10 |", first)));
    fact("setgroups_denied", has(got, "setgroups deny"));
    const std::string wanted =
        fmt::format("uid 0 {} 10; 10 {} 5 | gid 0 {} 3; 3 {} 1; 9 5 1 | setgroups allow", first,
                    first + 50, first + 7, first + 500);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("write_id_mappings as a user gives up setgroups and writes the own id",
          "[09.3][uses-09.2]") {
    TENON_NEED(is_real_root(), "needs real root, to become an ordinary user");
    const OrdinaryUser user;
    const std::string got = as_user(user, [&] {
        ::setenv("PATH", "/nowhere", 1);  // no program is there to be asked
        return written({.uids = {{0, user.id, 1}}, .gids = {{0, user.id, 1}}});
    });
    step(fmt::format("uid {} without rights maps itself to root", user.id));
    step(got);
    const bool asked = has(got, "newuidmap") || has(got, "newgidmap");
    fact("program_asked", asked);
    fact("setgroups_not_denied", !asked && has(got, "setgroups allow"));
    const std::string wanted = fmt::format("uid 0 {0} 1 | gid 0 {0} 1 | setgroups deny", user.id);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("write_id_mappings as a user has subordinate ids mapped by the programs",
          "[09.3][uses-09.2]") {
    TENON_NEED(missing_map_programs().empty(), missing_map_programs());
    OrdinaryUser user;
    const auto first = static_cast<std::uint32_t>(100000 + random_below(1000));
    user.subuid = fmt::format("{}:{}:100\n", user.name, first);
    user.subgid = fmt::format("{}:{}:50\n", user.id, first + 1000);
    const std::string got = as_user(user, [&] {
        return written({.uids = {{0, user.id, 1}, {1, first, 100}},
                        .gids = {{0, user.id, 1}, {1, first + 1000, 50}}});
    });
    step(fmt::format("uid {} may map 100 uids and 50 gids besides its own", user.id));
    step(got);
    fact("programs_not_asked", has(got, "EPERM"));
    fact("wrong_program", has(got, "not allowed"));
    fact("setgroups_denied", has(got, "setgroups deny"));
    const std::string wanted =
        fmt::format("uid 0 {0} 1; 1 {1} 100 | gid 0 {0} 1; 1 {2} 50 | setgroups allow", user.id,
                    first, first + 1000);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("write_id_mappings decides for each map by itself", "[09.3][uses-09.2]") {
    TENON_NEED(missing_map_programs().empty(), missing_map_programs());
    OrdinaryUser user;
    user.subuid = fmt::format("{}:200000:10\n", user.name);
    const std::string got = as_user(user, [&] {
        return written({.uids = {{0, user.id, 1}, {1, 200000, 10}}, .gids = {{0, user.id, 1}}});
    });
    step("subordinate uids and no gids: the one map by newuidmap, the other by ourselves");
    step(got);
    fact("setgroups_not_denied", has(got, "setgroups allow"));
    const std::string wanted =
        fmt::format("uid 0 {0} 1; 1 200000 10 | gid 0 {0} 1 | setgroups deny", user.id);
    TENON_EXPECT(got == wanted, wanted, got);
}

TEST_CASE("write_id_mappings says whose range was not granted", "[uses-09.2][uses-09.3]") {
    TENON_NEED(missing_map_programs().empty(), missing_map_programs());
    OrdinaryUser user;
    user.subuid = fmt::format("{}:200000:10\n", user.name);
    const std::string got = as_user(user, [&] {
        return written({.uids = {{0, user.id, 1}, {1, 200000, 11}}, .gids = {{0, user.id, 1}}});
    });
    CHECK(has(got, "uid  | gid "));  // nothing is mapped
    CHECK(has(got, "not allowed"));
    CHECK(has(got, "/etc/subuid does not grant that to you"));
    CHECK(has(got, "--rootless single"));
}

TEST_CASE("write_id_mappings says why the program had no rights", "[uses-09.2][uses-09.3]") {
    TENON_NEED(missing_map_programs().empty(), missing_map_programs());
    OrdinaryUser user;
    user.subuid = fmt::format("{}:200000:10\n", user.name);
    const IdMappings mappings{.uids = {{0, user.id, 1}, {1, 200000, 10}},
                              .gids = {{0, user.id, 1}}};
    SECTION("no_new_privs") {
        const std::string got = as_user(user, [&] {
            check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
            return written(mappings);
        });
        CHECK(has(got, "no_new_privs"));
    }
    SECTION("a copy without the bit, first in PATH") {
        const TemporaryDirectory folder;
        for (const auto& open : {temporary_root(), folder.path()}) {
            std::filesystem::permissions(open, std::filesystem::perms{0755});
        }
        std::filesystem::copy("/usr/bin/newuidmap", folder.path() / "newuidmap");
        std::filesystem::permissions(folder.path() / "newuidmap", std::filesystem::perms{0755});
        const std::string got = as_user(user, [&] {
            ::setenv("PATH", folder.path().c_str(), 1);
            return written(mappings);
        });
        CHECK(has(got, "neither set-user-ID root nor has file capabilities"));
    }
    SECTION("not there") {
        const std::string got = as_user(user, [&] {
            ::setenv("PATH", "/nowhere", 1);
            return written(mappings);
        });
        CHECK(has(got, "newuidmap is not there"));
        CHECK(has(got, "install uidmap"));
    }
}

TEST_CASE("write_id_mappings writes nothing that it would not take whole", "[uses-09.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string got = written({.uids = {{0, 0, 1}}, .gids = {{0, 0, 1}, {0, 5, 1}}});
    CHECK(has(got, "uid  | gid  | setgroups"));
    CHECK(has(got, " | gid_map"));
}

TEST_CASE("write_id_mappings passes on what the kernel refuses", "[uses-09.2][uses-09.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string said = refusal([] {
        write_id_mappings(2147483646, {{{0, 0, 1}}, {{0, 0, 1}}});
    });
    CHECK(said == "openat /proc/2147483646: ENOENT");
}

TEST_CASE("make_user_namespace gives a namespace by its maps",
          "[uses-01.1][uses-01.2][uses-09.2][uses-09.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const IdMappings mappings{.uids = {{7, 0, 1}}, .gids = {{8, 0, 1}}};
    const UniqueFd made = make_user_namespace(mappings);
    CHECK(made.valid());
    const std::string maps = run_inside(0, [&] {
        sys::setns(made, CLONE_NEWUSER, "made");
        return read_file("/proc/self/uid_map");
    });
    std::istringstream words{maps};
    std::uint64_t inside = 0;
    std::uint64_t outside = 1;
    words >> inside >> outside;
    CHECK(inside == 7);
}

}  // namespace tenon::test
