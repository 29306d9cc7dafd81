// 03.2, with real controllers: a limit is what the kernel enforces, not what a file says.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "cgroup_view.hpp"
#include "kernel_view.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

int touch(std::uint64_t bytes) {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    auto* const first = static_cast<volatile char*>(memory);
    for (std::uint64_t at = 0; at < bytes; at += 4096) first[at] = 1;
    return 0;
}

int compute() {
    volatile std::uint64_t count = 0;
    while (true) count = count + 1;
}

// Forks until it is refused, but no more than `most`; how many it got. They end with it.
int count_forks(int most) {
    int forks = 0;
    while (forks < most) {
        const pid_t child = ::fork();
        if (child < 0) break;
        if (child == 0) {
            while (true) ::pause();
        }
        ++forks;
    }
    return forks;
}

// The disk below the tests' files: limits belong to the whole of it.
std::optional<BlockDevice> test_disk() {
    struct stat status {};
    if (::stat(temporary_root().c_str(), &status) != 0) return std::nullopt;
    const fs::path device =
        fmt::format("/sys/dev/block/{}:{}", major(status.st_dev), minor(status.st_dev));
    std::error_code none;
    const fs::path real = fs::canonical(device, none);
    if (none) return std::nullopt;
    const fs::path disk = fs::exists(real / "partition") ? real.parent_path() : real;
    std::string numbers = read_file(disk / "dev");
    if (!numbers.empty()) numbers.pop_back();
    return parse_device_number(numbers);
}

// Past the page cache, so that each write waits for the disk.
int write_directly(const fs::path& file, std::uint64_t bytes) {
    constexpr std::size_t chunk = 65536;
    const int number = ::open(file.c_str(), O_CREAT | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600);
    void* const buffer = std::aligned_alloc(4096, chunk);
    if (number < 0 || buffer == nullptr) return 2;
    for (std::uint64_t at = 0; at < bytes; at += chunk) {
        if (::write(number, buffer, chunk) != static_cast<long>(chunk)) return 3;
    }
    return 0;
}

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

TEST_CASE("memory.max kills a process that takes more", "[03.2]") {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup group;
    CgroupLimits limits;
    limits.memory_max = (16 + random_below(16)) * mebibyte;
    apply_limits(group.fd(), limits);
    Member member(group.path(), [&] { return touch(4 * *limits.memory_max); });
    const int code = member.wait().shell_code();
    const auto killed = group.counter("memory.events", "oom_kill");
    step(fmt::format("memory.max is {} MiB; a process uses four times as much",
                     *limits.memory_max / mebibyte));
    step(fmt::format("it ended with {}; oom_kill in memory.events: {}", code, killed));
    fact("not_killed", code != 128 + SIGKILL);
    TENON_EXPECT(code == 128 + SIGKILL, "exit status 137", fmt::format("{}", code));
    TENON_EXPECT(killed == 1, "oom_kill 1", fmt::format("oom_kill {}", killed));
}

TEST_CASE("memory.oom.group kills all of them", "[03.2]") {
    TENON_NEED(missing_controller("memory").empty(), missing_controller("memory"));
    const TestCgroup group;
    CgroupLimits limits;
    limits.memory_max = 32 * mebibyte;
    limits.oom_group = true;
    apply_limits(group.fd(), limits);
    Member bystander(group.path());
    Member member(group.path(), [&] { return touch(128 * mebibyte); });
    const int code = member.wait().shell_code();
    const int other = bystander.wait().shell_code();
    step(fmt::format("the greedy process ended with {}, the other with {}", code, other));
    TENON_EXPECT(code == 137 && other == 137, "137 and 137", fmt::format("{} {}", code, other));
}

TEST_CASE("cpu.max gives half a CPU to who asked for half a CPU", "[03.2]") {
    TENON_NEED(missing_controller("cpu").empty(), missing_controller("cpu"));
    const TestCgroup group;
    CgroupLimits limits;
    limits.cpu_max = CpuMax{.quota = 50ms, .period = 100ms};
    apply_limits(group.fd(), limits);
    const Member member(group.path(), compute);
    const auto used = [&] { return group.counter("cpu.stat", "usage_usec"); };
    ::usleep(200'000);
    const auto begin = Clock::now();
    const std::uint64_t before = used();
    ::usleep(3'000'000);
    const auto share = static_cast<double>(used() - before) / 1e6 / seconds_since(begin);
    const auto throttled = group.counter("cpu.stat", "nr_throttled");
    step(fmt::format("a process that computes got {:.1f} % of a CPU; nr_throttled {}", 100 * share,
                     throttled));
    fact("not_throttled", throttled == 0);
    TENON_EXPECT(share > 0.45 && share < 0.55, "50 %, give or take 5",
                 fmt::format("{:.1f} %", 100 * share));
    TENON_EXPECT(throttled > 10, "throttled in more than 10 periods", fmt::format("{}", throttled));
}

TEST_CASE("pids.max refuses the 33rd process", "[03.2]") {
    TENON_NEED(missing_controller("pids").empty(), missing_controller("pids"));
    const TestCgroup group;
    CgroupLimits limits;
    limits.pids_max = 32;
    apply_limits(group.fd(), limits);
    Member member(group.path(), [] { return count_forks(64); });
    const int forks = member.wait().shell_code();
    const auto refused = group.counter("pids.events", "max");
    step(fmt::format("pids.max is 32; a process that forks gets {} children", forks));
    step(fmt::format("max in pids.events: {}", refused));
    TENON_EXPECT(forks == 31, "31 children: they and it are 32", fmt::format("{}", forks));
    TENON_EXPECT(refused >= 1, "the refusal is counted", fmt::format("{}", refused));
}

TEST_CASE("io.max bounds how fast a disk is written", "[03.2]") {
    TENON_NEED(missing_controller("io").empty(), missing_controller("io"));
    const std::optional<BlockDevice> disk = test_disk();
    TENON_NEED(disk.has_value(), "lab VM: needs temporary files on a disk of their own");
    const TestCgroup group;
    const TemporaryDirectory directory;
    CgroupLimits limits;
    limits.io_max = {{.device = *disk,
                      .read_bytes = std::nullopt,
                      .write_bytes = 2 * mebibyte,
                      .read_operations = std::nullopt,
                      .write_operations = std::nullopt}};
    apply_limits(group.fd(), limits);
    const auto begin = Clock::now();
    Member member(group.path(),
                  [&] { return write_directly(directory.path() / "file", 4 * mebibyte); });
    const int code = member.wait().shell_code();
    const double took = seconds_since(begin);
    step(
        fmt::format("disk {}:{}, wbps 2 MiB: 4 MiB took {:.1f} s", disk->major, disk->minor, took));
    TENON_NEED(code != 2, "lab VM: needs a file system with O_DIRECT");
    TENON_EXPECT(code == 0, "written", fmt::format("exit status {}", code));
    TENON_EXPECT(took > 1.5, "2 s, at least 1.5 s", fmt::format("{:.2f} s", took));
}

TEST_CASE("the kernel takes every limit as it is written", "[03.2]") {
    for (const char* name : {"memory", "cpu", "cpuset", "pids", "io", "hugetlb"}) {
        TENON_NEED(missing_controller(name).empty(), missing_controller(name));
    }
    const std::optional<BlockDevice> disk = test_disk();
    TENON_NEED(disk.has_value(), "lab VM: needs temporary files on a disk of their own");
    const TestCgroup group;
    CgroupLimits limits;
    limits.memory_max = 64 * mebibyte;
    limits.memory_high = 48 * mebibyte;
    limits.memory_low = 8 * mebibyte;
    limits.memory_min = 4 * mebibyte;
    limits.swap_max = no_limit;
    limits.oom_group = true;
    limits.cpu_max = CpuMax{.quota = 20ms, .period = 50ms};
    limits.cpu_weight = 77;
    limits.cpu_idle = true;
    limits.cpuset_cpus = "0";
    limits.cpuset_mems = "0";
    limits.pids_max = 99;
    limits.io_max = {{.device = *disk,
                      .read_bytes = mebibyte,
                      .write_bytes = no_limit,
                      .read_operations = 100,
                      .write_operations = std::nullopt}};
    limits.hugetlb_max = {{"2MB", 4 * mebibyte}};
    limits.unified = {{"cgroup.max.depth", "3"}};
    apply_limits(group.fd(), limits);
    const std::string io =
        fmt::format("{}:{} rbps=1048576 wbps=max riops=100 wiops=max\n", disk->major, disk->minor);
    const std::pair<const char*, std::string> wanted[] = {
        {"memory.max", "67108864\n"},
        {"memory.high", "50331648\n"},
        {"memory.low", "8388608\n"},
        {"memory.min", "4194304\n"},
        {"memory.swap.max", "max\n"},
        {"memory.oom.group", "1\n"},
        {"cpu.max", "20000 50000\n"},
        {"cpu.idle", "1\n"},
        {"cpuset.cpus", "0\n"},
        {"cpuset.mems", "0\n"},
        {"pids.max", "99\n"},
        {"io.max", io},
        {"hugetlb.2MB.max", "4194304\n"},
        {"cgroup.max.depth", "3\n"},
    };
    for (const auto& [file, text] : wanted) {
        const std::string got = group.read(file);
        TENON_EXPECT(got == text, fmt::format("{} reads {}", file, text), got);
    }
}

TEST_CASE("a limit on the group above holds for all below", "[03.2]") {
    TENON_NEED(missing_controller("pids").empty(), missing_controller("pids"));
    const TestCgroup group;
    const fs::path below = group.make("below");
    CgroupLimits limits;
    limits.pids_max = 5;
    apply_limits(group.fd(), limits);
    Member member(below, [] { return count_forks(64); });
    const int forks = member.wait().shell_code();
    TENON_EXPECT(forks == 4, "4 children", fmt::format("{}", forks));
}

}  // namespace tenon::test
