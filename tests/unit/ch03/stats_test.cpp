// 03.4: what a group has used, file by file.
#include <fcntl.h>
#include <fmt/format.h>

#include <ctime>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// A group as a plain folder with files of random content. Each number is another, so that one
// taken for another shows.
class Files {
  public:
    Files() : fd_(sys::openat(FdRef::working_directory(), directory_.path(), O_RDONLY)) {}

    std::uint64_t next() { return next_ += 1 + random_below(1'000'000'000); }
    void write(const char* file, const std::string& text) const {
        write_file(directory_.path() / file, text);
        step(fmt::format("{}: {}", file, shown(text)));
    }
    [[nodiscard]] CgroupStats read() const {
        try {
            return read_stats(fd_);
        } catch (const SysError& error) {
            fact("missing_is_error", error.error() == ENOENT);
            throw;
        }
    }

  private:
    static std::string shown(std::string text) {
        for (char& c : text) c = c == '\n' ? ',' : c;
        return text;
    }

    TemporaryDirectory directory_;
    UniqueFd fd_;
    std::uint64_t next_ = 0;
};

template <typename Number>
void expect_number(const char* what, Number got, Number wanted) {
    TENON_EXPECT(got == wanted, fmt::format("{} {}", what, wanted), fmt::format("{}", got));
}

std::uint64_t count(std::chrono::microseconds time) {
    return static_cast<std::uint64_t>(time.count());
}

}  // namespace

TEST_CASE("read_stats reads CPU time and throttling", "[03.4]") {
    Files files;
    const auto usage = files.next(), user = files.next(), system = files.next();
    const auto periods = files.next(), throttled = files.next(), waited = files.next();
    files.write("cpu.stat",
                fmt::format("usage_usec {}\nuser_usec {}\nsystem_usec {}\nnr_periods {}\n"
                            "nr_throttled {}\nthrottled_usec {}\nnr_bursts 1\nburst_usec 2\n",
                            usage, user, system, periods, throttled, waited));
    const CpuStats cpu = files.read().cpu;
    fact("throttled_for_usage", count(cpu.usage) == waited);
    fact("wrong_unit", count(cpu.usage) == usage * 1000 || count(cpu.usage) == usage / 1000);
    expect_number("usage (usage_usec)", count(cpu.usage), usage);
    expect_number("user (user_usec)", count(cpu.user), user);
    expect_number("system (system_usec)", count(cpu.system), system);
    expect_number("periods (nr_periods)", cpu.periods, periods);
    expect_number("throttled periods (nr_throttled)", cpu.throttled_periods, throttled);
    expect_number("throttled (throttled_usec)", count(cpu.throttled), waited);
}

TEST_CASE("read_stats reads memory, and who was killed for it", "[03.4]") {
    Files files;
    const auto current = files.next(), peak = files.next(), max = files.next(), swap = files.next();
    const auto high = files.next(), at_max = files.next(), oom = files.next(), kill = files.next(),
               group_kill = files.next(), local = files.next();
    constexpr const char* events =
        "low 0\nhigh {}\nmax {}\noom {}\noom_kill {}\n"
        "oom_group_kill {}\n";
    files.write("memory.current", fmt::format("{}\n", current));
    files.write("memory.peak", fmt::format("{}\n", peak));
    files.write("memory.max", fmt::format("{}\n", max));
    files.write("memory.swap.current", fmt::format("{}\n", swap));
    files.write("memory.events", fmt::format(events, high, at_max, oom, kill, group_kill));
    files.write("memory.events.local", fmt::format(events, local, local, local, local, local));
    const std::optional<MemoryStats> memory = files.read().memory;
    TENON_EXPECT(memory.has_value(), "the group has memory", "nothing");
    fact("events_local", memory->oom_kill == local);
    fact("oom_for_kill", memory->oom_kill == oom);
    expect_number("current (memory.current)", memory->current, current);
    expect_number("peak (memory.peak)", memory->peak.value_or(0), peak);
    expect_number("max (memory.max)", memory->max, max);
    expect_number("swap_current (memory.swap.current)", memory->swap_current, swap);
    expect_number("oom_kill", memory->oom_kill, kill);
    expect_number("oom", memory->oom, oom);
    expect_number("high_events (high)", memory->high_events, high);
    expect_number("max_events (max)", memory->max_events, at_max);
    expect_number("oom_group_kill", memory->oom_group_kill, group_kill);
}

TEST_CASE("read_stats reads processes, and how many were refused", "[03.4]") {
    Files files;
    const auto current = files.next(), peak = files.next(), max = files.next(),
               refused = files.next();
    files.write("pids.current", fmt::format("{}\n", current));
    files.write("pids.peak", fmt::format("{}\n", peak));
    files.write("pids.max", fmt::format("{}\n", max));
    files.write("pids.events", fmt::format("max {}\n", refused));
    const std::optional<PidsStats> pids = files.read().pids;
    TENON_EXPECT(pids.has_value(), "the group counts processes", "nothing");
    expect_number("current (pids.current)", pids->current, current);
    expect_number("peak (pids.peak)", pids->peak.value_or(0), peak);
    expect_number("max (pids.max)", pids->max, max);
    expect_number("max_events (max in pids.events)", pids->max_events, refused);
}

TEST_CASE("read_stats takes the word max for no limit", "[03.4]") {
    Files files;
    for (const char* file : {"memory.max", "pids.max"}) files.write(file, "max\n");
    for (const char* file : {"memory.current", "pids.current"}) files.write(file, "4096\n");
    const CgroupStats stats = files.read();
    expect_number("memory.max", stats.memory.value().max, no_limit);
    expect_number("pids.max", stats.pids.value().max, no_limit);
}

TEST_CASE("read_stats says nothing about controllers that a group does not have", "[03.4]") {
    Files files;
    const auto usage = files.next();
    files.write("cpu.stat", fmt::format("usage_usec {}\nuser_usec 0\nsystem_usec 0\n", usage));
    step("no other file is there");
    const CgroupStats stats = files.read();
    expect_number("usage", count(stats.cpu.usage), usage);
    expect_number("throttled periods", stats.cpu.throttled_periods, std::uint64_t{0});
    TENON_EXPECT(!stats.memory && !stats.pids && !stats.io, "no memory, no pids, no io",
                 fmt::format("memory {}, pids {}, io {}", stats.memory.has_value(),
                             stats.pids.has_value(), stats.io.has_value()));
    TENON_EXPECT(!stats.cpu_pressure && !stats.memory_pressure && !stats.io_pressure, "no pressure",
                 "some");
}

TEST_CASE("read_stats does without what older kernels lack", "[03.4]") {
    Files files;
    files.write("memory.current", "4096\n");
    files.write("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    files.write("pids.current", "1\n");
    const CgroupStats stats = files.read();
    TENON_EXPECT(stats.memory && !stats.memory->peak, "memory without a peak", "it has one");
    TENON_EXPECT(stats.pids && !stats.pids->peak, "pids without a peak", "it has one");
    expect_number("swap_current", stats.memory->swap_current, std::uint64_t{0});
    expect_number("oom_group_kill", stats.memory->oom_group_kill, std::uint64_t{0});
}

TEST_CASE("read_stats counts the time that a group's processes ran", "[03.4]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    Member member(group.path(), [] {
        const std::clock_t begin = std::clock();
        while (std::clock() - begin < CLOCKS_PER_SEC / 5) {
        }
        return 0;
    });
    REQUIRE(member.wait().success());
    const CgroupStats stats = read_stats(group.fd());
    const auto kernel = group.counter("cpu.stat", "usage_usec");
    step(fmt::format("a process computed for 0.2 s; usage_usec is {}", kernel));
    expect_number("usage", count(stats.cpu.usage), kernel);
    TENON_EXPECT(stats.cpu.usage >= std::chrono::milliseconds{190}, "at least 190 ms",
                 fmt::format("{} us", stats.cpu.usage.count()));
    TENON_EXPECT(
        stats.cpu.user + stats.cpu.system <= stats.cpu.usage + std::chrono::milliseconds{1},
        "user and system together are all of it",
        fmt::format("{} + {} us", stats.cpu.user.count(), stats.cpu.system.count()));
}

TEST_CASE("read_stats reads every part of a real group", "[03.4]") {
    for (const char* name : {"memory", "pids", "io"}) {
        TENON_NEED(missing_controller(name).empty(), missing_controller(name));
    }
    const TestCgroup group;
    group.write("memory.max", "67108864");
    group.write("pids.max", "9");
    const Member one(group.path());
    const Member two(group.path());
    const CgroupStats stats = read_stats(group.fd());
    TENON_EXPECT(stats.memory && stats.pids && stats.io, "memory, pids and io", "one is missing");
    expect_number("memory.max", stats.memory->max, std::uint64_t{67108864});
    expect_number("pids.max", stats.pids->max, std::uint64_t{9});
    expect_number("pids.current", stats.pids->current, std::uint64_t{2});
}

// ---- what is given ---------------------------------------------------------------------------

TEST_CASE("read_stats reads each disk", "[uses-03.4]") {
    Files files;
    files.write("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:16 \n");
    const auto io = files.read().io;
    REQUIRE(io.has_value());
    CHECK(io->size() == 2);
    CHECK(io->at({.major = 8, .minor = 0}).write_operations == 4);
}

TEST_CASE("read_pressure reads a file, and does without one") {
    const TemporaryDirectory directory;
    const UniqueFd group = sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY);
    write_file(directory.path() / "cpu.pressure",
               "some avg10=1.50 avg60=0.00 avg300=0.00 total=123\n"
               "full avg10=0.25 avg60=0.00 avg300=0.00 total=45\n");
    const std::optional<Pressure> pressure = read_pressure(group, "cpu.pressure");
    REQUIRE(pressure.has_value());
    CHECK(pressure->some.count() == 123);
    CHECK(pressure->full_avg10 == 0.25);
    CHECK_FALSE(read_pressure(group, "io.pressure").has_value());
    fs::create_directory(directory.path() / "memory.pressure");
    CHECK(refusal([&] { read_pressure(group, "memory.pressure"); }).find("EISDIR") !=
          std::string::npos);
}

TEST_CASE("read_pressure finds nothing where a group's measuring is switched off") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup group;
    TENON_NEED(fs::exists(group.path() / "cgroup.pressure"), "needs Linux 6.1: cgroup.pressure");
    CHECK(read_pressure(group.fd(), "cpu.pressure").has_value());
    group.write("cgroup.pressure", "0");
    CHECK_FALSE(read_pressure(group.fd(), "cpu.pressure").has_value());
}

}  // namespace tenon::test
