// Without a map, every id inside a new user namespace reads as 65534 and execve drops all
// capabilities. The least that makes a container's root, written by the parent: it alone has
// rights over the ids outside. user_namespaces(7), "Defining user and group ID mappings"
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <charconv>
#include <sstream>
#include <string>

#include "tenon/kernel_file.hpp"
#include "tenon/namespaces.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// One line per range of our own map: `inside outside length`. What is inside for us is outside
// for the child, so the same numbers map to themselves.
std::string identity_of(const std::string& own_map) {
    std::string lines;
    std::istringstream ranges{own_map};
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t length = 0;
    while (ranges >> inside >> outside >> length) {
        lines += fmt::format("{0} {0} {1}\n", inside, length);
    }
    return lines;
}

void map_every_id(FdRef child_directory) {
    const FdRef here = FdRef::working_directory();
    write_kernel_file(child_directory, "uid_map",
                      identity_of(read_kernel_file(here, "/proc/self/uid_map")));
    write_kernel_file(child_directory, "gid_map",
                      identity_of(read_kernel_file(here, "/proc/self/gid_map")));
}

// EPERM for gid_map unless setgroups is denied first: dropping a group could otherwise open what
// that group is kept out of (CVE-2014-8989).
void map_own_ids_to_root(FdRef child_directory) {
    write_kernel_file(child_directory, "setgroups", "deny");
    write_kernel_file(child_directory, "uid_map", fmt::format("0 {} 1\n", ::geteuid()));
    write_kernel_file(child_directory, "gid_map", fmt::format("0 {} 1\n", ::getegid()));
}

}  // namespace

void write_root_mapping(pid_t child) {
    const trace::Step step{1, "map root", "an unmapped id is nobody, and nobody keeps no rights"};
    const UniqueFd directory = sys::openat(FdRef::working_directory(),
                                           fmt::format("/proc/{}", child), O_PATH | O_DIRECTORY);
    if (sys::has_effective_capability(CAP_SETUID) && sys::has_effective_capability(CAP_SETGID)) {
        map_every_id(directory);
    } else {
        map_own_ids_to_root(directory);
    }
}

}  // namespace tenon
