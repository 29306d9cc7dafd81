// Groups of the test's own, and what the kernel says about them. None of the code under test is
// used here: a group goes in the end, whatever that code did to it.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "tenon/fd.hpp"
#include "tenon/process.hpp"

namespace tenon::test {

// Why this program cannot make groups beside its own; empty when it can. For TENON_NEED.
const std::string& missing_cgroups();
// Why the groups that it makes do not get `controller`; empty when they do.
std::string missing_controller(std::string_view controller);

// Where tests put their groups: the parent of our own group, or the root when we are in it.
const std::filesystem::path& test_cgroups();
// Whether this program, not one that runs beside it, made the group of that name.
bool is_own_cgroup_name(std::string_view name);

// The v2 group of a process as /proc/PID/cgroup has it: /a/b. Empty when there is no such process.
std::string cgroup_of(const std::string& pid);
inline std::string cgroup_of(pid_t pid) {
    return cgroup_of(std::to_string(pid));
}

// The numbers in a file such as cgroup.procs.
std::set<pid_t> processes_in(const std::filesystem::path& group);
bool is_populated_group(const std::filesystem::path& group);
// The number after `key` in a flat keyed file; 0 when it is not there.
std::uint64_t counter_in(const std::filesystem::path& file, std::string_view key);
bool has_word(const std::filesystem::path& file, std::string_view word);

// Exactly one write(2), as the kernel's files want it. @throws SysError
void write_to(const std::filesystem::path& file, std::string_view text);

// A new group, killed and removed with the object, with all groups below it.
class TestCgroup {
  public:
    TestCgroup();
    TestCgroup(const TestCgroup&) = delete;
    TestCgroup& operator=(const TestCgroup&) = delete;
    ~TestCgroup();

    // Relative to the root of the hierarchy: job/tenon-test-1-x.
    [[nodiscard]] const std::string& name() const { return name_; }
    // As /proc/PID/cgroup writes it.
    [[nodiscard]] std::string proc_name() const { return "/" + name_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] FdRef fd() const { return fd_; }

    // A group below this one; `below` may have several parts.
    std::filesystem::path make(const std::filesystem::path& below) const;
    [[nodiscard]] std::string read(const std::string& file) const;
    void write(const std::string& file, std::string_view text) const;
    [[nodiscard]] std::uint64_t counter(const std::string& file, std::string_view key) const;

  private:
    std::string name_;
    std::filesystem::path path_;
    UniqueFd fd_;
};

// A process that moved itself into a group before it runs `body`; what that returns is its exit
// code. Killed and reaped with the object.
class Member {
  public:
    Member(const std::filesystem::path& group, const std::function<int()>& body);
    // One that waits until it is killed.
    explicit Member(const std::filesystem::path& group);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member();
    [[nodiscard]] pid_t pid() const { return pid_; }
    ExitStatus wait();

  private:
    pid_t pid_ = -1;
};

}  // namespace tenon::test
