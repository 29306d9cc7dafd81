// Landlock: a program that takes rights from itself. No root, no container, no privilege: three
// system calls, and neither it nor what it starts opens anything outside of one folder again. What
// a parser of hostile files, or a plugin, could do to its user shrinks to that folder.
// landlock(7); Linux, Documentation/userspace-api/landlock.rst
//
//   landlocked FOLDER FILE   may read below FOLDER only, then reads FILE
//   landlocked - FILE        reads FILE
// Exit code: 0 it was read, 3 refused, 4 this kernel has no Landlock, 2 anything else.
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// What version 1 of the interface (Linux 5.13) knows: all but changes of names across folders,
// truncation, and what came later. Whoever wants those denied too asks for the version first.
constexpr std::uint64_t known_since_version_1 = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;

bool has_landlock() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

// A rule set denies what it handles, but for what its rules allow below a folder.
bool read_only_below(const char* folder) {
    landlock_ruleset_attr handled{};
    handled.handled_access_fs = known_since_version_1;
    const long rules = ::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    landlock_path_beneath_attr allowed{};
    allowed.allowed_access = reading;
    allowed.parent_fd = ::open(folder, O_PATH | O_CLOEXEC);
    if (rules < 0 || allowed.parent_fd < 0) return false;
    if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &allowed, 0) != 0) {
        return false;
    }
    // As a filter of system calls, and for the same reason: no set-user-ID program is fooled.
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    return ::syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

int print_file(const char* path) {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        std::printf("open: %s\n", std::strerror(errno));
        return errno == EACCES ? 3 : 2;
    }
    char content[64] = {};
    if (::read(file, content, sizeof content - 1) < 0) return 2;
    std::printf("it reads: %s\n", content);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    if (std::strcmp(argv[1], "-") != 0) {
        if (!has_landlock()) return 4;
        if (!read_only_below(argv[1])) return 2;
    }
    return print_file(argv[2]);
}
