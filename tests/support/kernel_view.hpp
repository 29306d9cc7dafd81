// What the kernel says about a process, read from outside through /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::test {

// One line of /proc/PID/mountinfo. proc_pid_mountinfo(5)
struct MountInfo {
    int id = 0;
    int parent = 0;
    std::string root;
    std::string mount_point;
    std::string options;      // per mount: ro,nosuid ...
    std::string propagation;  // shared:N master:N ..., empty when private
    std::string fstype;
    std::string source;
    std::string super_options;

    [[nodiscard]] bool has_option(std::string_view option) const;
};

std::vector<MountInfo> mounts_of(const std::string& pid);
inline std::vector<MountInfo> mounts_of(pid_t pid) {
    return mounts_of(std::to_string(pid));
}
bool has_mount_at(const std::vector<MountInfo>& mounts, const std::string& mount_point);

// The inode that stands for a namespace: `kind` as in /proc/PID/ns. 0 when it cannot be read.
std::uint64_t namespace_inode(const std::string& pid, std::string_view kind);
inline std::uint64_t namespace_inode(pid_t pid, std::string_view kind) {
    return namespace_inode(std::to_string(pid), kind);
}

// The value of a field of /proc/PID/status, without surrounding blanks: NSpid, CapEff ...
std::string status_field(pid_t pid, std::string_view field);

// Where tests put files: a directory of this test program's own, removed at its end.
std::filesystem::path temporary_root();

// A directory in temporary_root() that is removed with the object.
class TemporaryDirectory {
  public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// Letters and digits from a generator that is seeded anew in each run (TENON_SEED repeats one).
std::string random_name(std::size_t length);
std::uint64_t random_below(std::uint64_t limit);

void write_file(const std::filesystem::path& path, std::string_view content);
std::string read_file(const std::filesystem::path& path);

}  // namespace tenon::test
