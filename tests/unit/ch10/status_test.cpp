// 10.1: what a container is, said by a record and by the kernel.
#include <fmt/format.h>

#include <array>
#include <fstream>
#include <map>
#include <sstream>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/container_state.hpp"

namespace tenon::test {

namespace {

using enum ContainerStatus;

std::string stat_line(const std::string& name, char state, std::uint64_t flags,
                      std::uint64_t start_time) {
    return fmt::format("4711 ({}) {} 1 4711 4711 0 -1 {} 1 2 3 4 5 6 7 8 20 0 1 0 {} 100 200\n",
                       name, state, flags, start_time);
}

std::string shown(const std::optional<ContainerStatus>& status) {
    return status ? std::string{status_name(*status)} : "refused";
}

ContainerRecord record_of(pid_t pid, std::uint64_t start_time) {
    ContainerRecord record;
    record.pid = pid;
    record.start_time = start_time;
    return record;
}

Observation seen(char state, std::uint64_t flags, std::uint64_t start_time) {
    return {.process = ProcessFacts{state, flags, start_time}};
}

void expect_after(ContainerStatus before, Operation operation,
                  const std::optional<ContainerStatus>& wanted) {
    const std::optional<ContainerStatus> got = next_status(before, operation);
    TENON_EXPECT(got == wanted,
                 fmt::format("{}: operation {} leads to {}", status_name(before),
                             static_cast<int>(operation), shown(wanted)),
                 shown(got));
}

}  // namespace

TEST_CASE("next_status lets a container be started once", "[10.1]") {
    expect_after(Created, Operation::Start, Running);
    for (const ContainerStatus other : {Creating, Running, Paused, Stopped}) {
        const bool refused = !next_status(other, Operation::Start);
        fact("started_twice", !refused);
        expect_after(other, Operation::Start, std::nullopt);
    }
}

TEST_CASE("next_status lets only a container that lives be sent signals", "[10.1]") {
    for (const ContainerStatus alive : {Created, Running, Paused}) {
        expect_after(alive, Operation::Kill, alive);
    }
    fact("dead_are_signalled", next_status(Stopped, Operation::Kill).has_value());
    expect_after(Stopped, Operation::Kill, std::nullopt);
    expect_after(Creating, Operation::Kill, std::nullopt);
}

TEST_CASE("next_status deletes what runs by force alone", "[10.1]") {
    expect_after(Stopped, Operation::Delete, Stopped);
    fact("running_deleted", next_status(Running, Operation::Delete).has_value());
    expect_after(Running, Operation::Delete, std::nullopt);
    expect_after(Paused, Operation::Delete, std::nullopt);
    for (const ContainerStatus any : {Creating, Created, Running, Paused, Stopped}) {
        expect_after(any, Operation::DeleteByForce, Stopped);
    }
}

TEST_CASE("next_status pauses and resumes in turn, and enters no frozen container", "[10.1]") {
    expect_after(Running, Operation::Pause, Paused);
    expect_after(Paused, Operation::Pause, std::nullopt);
    expect_after(Paused, Operation::Resume, Running);
    expect_after(Running, Operation::Resume, std::nullopt);
    expect_after(Paused, Operation::Exec, std::nullopt);
    expect_after(Running, Operation::Exec, Running);
    expect_after(Stopped, Operation::Exec, std::nullopt);
}

TEST_CASE("next_status is the lesson's table", "[10.1]") {
    constexpr std::array statuses{Creating, Created, Running, Paused, Stopped};
    // One letter for each of them: what it leads to, or a dot where it is refused.
    constexpr std::array<std::pair<Operation, std::string_view>, 8> table{
        {{Operation::Start, ".r..."},
         {Operation::Kill, ".crp."},
         {Operation::Update, ".crp."},
         {Operation::Exec, ".cr.."},
         {Operation::Pause, ".pp.."},
         {Operation::Resume, "...r."},
         {Operation::Delete, ".s..s"},
         {Operation::DeleteByForce, "sssss"}}};
    const std::map<char, std::optional<ContainerStatus>> meaning{
        {'.', std::nullopt}, {'c', Created}, {'r', Running}, {'p', Paused}, {'s', Stopped}};
    for (const auto& [operation, row] : table) {
        for (std::size_t i = 0; i < statuses.size(); ++i) {
            expect_after(statuses[i], operation, meaning.at(row[i]));
        }
    }
}

TEST_CASE("parse_process_stat finds the fields behind any name", "[10.1]") {
    const std::uint64_t start = 1000 + random_below(100000);
    for (const std::string name : {"sleep", "a b", "x) Z 1 (", ") R 1 2 3", "("}) {
        const std::optional<ProcessFacts> facts =
            parse_process_stat(stat_line(name, 'S', 0x400100, start));
        const bool right = facts == ProcessFacts{'S', 0x400100, start};
        fact("name_misleads", !right);
        TENON_EXPECT(right, fmt::format("({}): state S, started at {}", name, start),
                     facts ? fmt::format("state {}, flags {:#x}, started at {}", facts->state,
                                         facts->flags, facts->start_time)
                           : std::string{"nothing"});
    }
}

TEST_CASE("parse_process_stat takes no other text", "[10.1]") {
    for (const std::string text :
         {"", "1", "1 (x", "1 (x) S", "1 (x) SS 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
          "1 (x) S 1 1 1 1 1 -1 1 1 1 1 1 1 1 1 1 1 1 1 7"}) {
        TENON_EXPECT(!parse_process_stat(text), "nothing of: " + text, std::string{"some facts"});
    }
}

TEST_CASE("parse_process_stat reads what the kernel says of this process", "[10.1]") {
    std::ifstream file{"/proc/self/stat"};
    std::stringstream text;
    text << file.rdbuf();
    const std::optional<ProcessFacts> facts = parse_process_stat(text.str());
    TENON_EXPECT(
        facts && facts->state == 'R' && facts->start_time > 0, "running, with a start time",
        facts ? fmt::format("{} {}", facts->state, facts->start_time) : std::string{"nothing"});
}

TEST_CASE("status_from calls ended who is a zombie, or about to be", "[10.1]") {
    const ContainerRecord record = record_of(4711, 50);
    for (const char state : {'Z', 'X'}) {
        const ContainerStatus status = status_from(record, seen(state, 0, 50));
        fact("zombie_runs", status != Stopped);
        TENON_EXPECT(status == Stopped, fmt::format("state {}: stopped", state),
                     std::string{status_name(status)});
    }
    constexpr std::uint64_t exiting = 0x4;
    const ContainerStatus status = status_from(record, seen('R', 0x400100 | exiting, 50));
    fact("exiting_runs", status != Stopped);
    TENON_EXPECT(status == Stopped, "PF_EXITING: stopped", std::string{status_name(status)});
}

TEST_CASE("status_from knows a stranger with the same pid", "[10.1]") {
    const ContainerRecord record = record_of(4711, 50);
    const ContainerStatus reused = status_from(record, seen('S', 0, 51));
    fact("stranger_taken", reused != Stopped);
    TENON_EXPECT(reused == Stopped, "another start time: stopped",
                 std::string{status_name(reused)});
    const ContainerStatus gone = status_from(record, {});
    TENON_EXPECT(gone == Stopped, "no such process: stopped", std::string{status_name(gone)});
}

TEST_CASE("status_from tells created, running and paused apart", "[10.1]") {
    const ContainerRecord record = record_of(4711, 50);
    Observation now = seen('S', 0, 50);
    TENON_EXPECT(status_from(record, now) == Running, "running",
                 std::string{status_name(status_from(record, now))});
    now.waits_at_gate = true;
    TENON_EXPECT(status_from(record, now) == Created, "created",
                 std::string{status_name(status_from(record, now))});
    now.frozen = true;
    TENON_EXPECT(status_from(record, now) == Paused, "paused",
                 std::string{status_name(status_from(record, now))});
    TENON_EXPECT(status_from(record_of(0, 0), {}) == Creating, "no pid yet: creating",
                 std::string{status_name(status_from(record_of(0, 0), {}))});
}

}  // namespace tenon::test
