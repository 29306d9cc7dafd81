#include "cgroup_view.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "descriptors.hpp"
#include "kernel_view.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace fs = std::filesystem;

namespace {

// A mount of the whole hierarchy, as far as our cgroup namespace lets it be seen.
std::optional<fs::path> whole_hierarchy() {
    for (const MountInfo& mount : mounts_of("self")) {
        struct statfs status {};
        if (mount.fstype != "cgroup2" || mount.root != "/") continue;
        if (::statfs(mount.mount_point.c_str(), &status) != 0) continue;
        if (status.f_type == CGROUP2_SUPER_MAGIC) return mount.mount_point;
    }
    return std::nullopt;
}

// Relative to the root of the hierarchy.
const fs::path& parent_group() {
    static const fs::path parent = fs::path{cgroup_of("self")}.relative_path().parent_path();
    return parent;
}

// The program's, also in its children.
pid_t program_pid() {
    static const pid_t pid = ::getpid();
    return pid;
}

std::string new_name() {
    return fmt::format("tenon-test-{}-{}", program_pid(), random_name(8));
}

constexpr const char* no_group = "lab VM: needs a cgroup of one's own (root, or a delegated group)";

// Waits for the event itself: a process that was killed takes its time to end.
void wait_until_empty(const fs::path& group) {
    const int events = ::open((group / "cgroup.events").c_str(), O_RDONLY | O_CLOEXEC);
    if (events < 0) return;
    const UniqueFd owner{events};
    constexpr int patience_ms = 20'000;
    for (std::string text(256, '\0');;) {
        const long got = ::pread(events, text.data(), text.size(), 0);
        if (got <= 0) return;
        const std::string_view now{text.data(), static_cast<std::size_t>(got)};
        if (now.find("populated 0") != std::string_view::npos) return;
        pollfd watched{events, POLLPRI, 0};
        if (::poll(&watched, 1, patience_ms) == 0) return;
    }
}

void remove_groups(const fs::path& group) {
    std::error_code ignored;  // what stays is found by the leak check
    for (const auto& entry : fs::directory_iterator(group, ignored)) {
        if (entry.is_directory(ignored)) remove_groups(entry.path());
    }
    ::rmdir(group.c_str());
}

// With all that runs in it.
void remove_group(const fs::path& group) {
    try {
        write_to(group / "cgroup.kill", "1");
        wait_until_empty(group);
    } catch (const SysError&) {
        // Removed already: by the code under test.
    }
    remove_groups(group);
}

// What a test program left that was killed, or ran into its time limit. Its processes too.
void remove_stale_groups() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(test_cgroups(), ignored)) {
        const std::string name = entry.path().filename().string();
        pid_t owner = 0;
        if (std::sscanf(name.c_str(), "tenon-test-%d-", &owner) != 1) continue;
        if (::kill(owner, 0) == 0 || errno != ESRCH) continue;
        remove_group(entry.path());
    }
}

// Tried out: rights, read-only mounts and limits on groups all answer at once.
std::string try_to_make_one() {
    if (test_cgroups().empty() || cgroup_of("self").starts_with("/..")) return no_group;
    remove_stale_groups();
    const fs::path group = test_cgroups() / new_name();
    std::error_code refused;
    if (!fs::create_directory(group, refused)) return no_group;
    const bool can_move_into = ::access((test_cgroups() / "cgroup.procs").c_str(), W_OK) == 0;
    const bool can_kill = fs::exists(group / "cgroup.kill");
    fs::remove(group, refused);
    if (!can_kill) return "lab VM: needs Linux 5.14 or newer (cgroup.kill)";
    return can_move_into ? "" : no_group;
}

}  // namespace

const fs::path& test_cgroups() {
    static const fs::path place = [] {
        const std::optional<fs::path> root = whole_hierarchy();
        return root ? *root / parent_group() : fs::path{};
    }();
    return place;
}

const std::string& missing_cgroups() {
    static const std::string problem = try_to_make_one();
    return problem;
}

std::string missing_controller(std::string_view controller) {
    if (!missing_cgroups().empty()) return missing_cgroups();
    if (has_word(test_cgroups() / "cgroup.subtree_control", controller)) return {};
    return fmt::format("lab VM: needs the {} controller", controller);
}

bool is_own_cgroup_name(std::string_view name) {
    // A test's own, and one that run_in_cgroup() made in this process.
    return name.starts_with(fmt::format("tenon-test-{}-", program_pid())) ||
           name.starts_with(fmt::format("tenon-{}-", program_pid()));
}

std::string cgroup_of(const std::string& pid) {
    std::ifstream file{"/proc/" + pid + "/cgroup"};
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("0::")) return line.substr(3);
    }
    return {};
}

std::set<pid_t> processes_in(const fs::path& group) {
    std::ifstream file{group / "cgroup.procs"};
    std::set<pid_t> pids;
    for (pid_t pid = 0; file >> pid;) pids.insert(pid);
    return pids;
}

bool is_populated_group(const fs::path& group) {
    return counter_in(group / "cgroup.events", "populated") != 0;
}

std::uint64_t counter_in(const fs::path& file, std::string_view key) {
    std::istringstream words{read_file(file)};
    std::uint64_t value = 0;
    for (std::string word; words >> word >> value;) {
        if (word == key) return value;
    }
    return 0;
}

bool has_word(const fs::path& file, std::string_view word) {
    std::istringstream words{read_file(file)};
    for (std::string each; words >> each;) {
        if (each == word) return true;
    }
    return false;
}

void write_to(const fs::path& file, std::string_view text) {
    const int number = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    const UniqueFd owner{static_cast<int>(check(number, "open", file.native()))};
    check(::write(number, text.data(), text.size()), "write", file.native());
}

TestCgroup::TestCgroup() {
    const std::string last = new_name();
    name_ = (parent_group() / last).string();
    path_ = test_cgroups() / last;
    fs::create_directory(path_);
    const int number = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd_ = UniqueFd{static_cast<int>(check(number, "open", path_.native()))};
}

TestCgroup::~TestCgroup() {
    remove_group(path_);
}

fs::path TestCgroup::make(const fs::path& below) const {
    fs::create_directories(path_ / below);
    return path_ / below;
}

std::string TestCgroup::read(const std::string& file) const {
    return read_file(path_ / file);
}

void TestCgroup::write(const std::string& file, std::string_view text) const {
    write_to(path_ / file, text);
}

std::uint64_t TestCgroup::counter(const std::string& file, std::string_view key) const {
    return counter_in(path_ / file, key);
}

Member::Member(const fs::path& group, const std::function<int()>& body) {
    Ends ready = make_test_pipe();
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            write_to(group / "cgroup.procs", "0");
            check(::write(ready.second.ref().number(), "!", 1), "write");
            ready.second.reset();
            ::_exit(body());
        } catch (const std::exception& error) {
            fmt::print(stderr, "member of {}: {}\n", group.native(), error.what());
            ::_exit(99);
        }
    }
    ready.second.reset();  // so that the child's early death is the end of file
    char byte = 0;
    if (::read(ready.first.ref().number(), &byte, 1) == 1) return;
    ::waitpid(pid_, nullptr, 0);
    throw std::runtime_error("no process could be put into " + group.native());
}

Member::Member(const fs::path& group)
    : Member(group, []() -> int {
          while (true) ::pause();
      }) {}

Member::~Member() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

ExitStatus Member::wait() {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return info.si_code == CLD_EXITED ? ExitStatus::exited(info.si_status)
                                      : ExitStatus::signaled(info.si_status);
}

}  // namespace tenon::test
