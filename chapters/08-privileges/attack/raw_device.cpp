// A device node is a pair of numbers. Who may make one (CAP_MKNOD) has every device of the machine,
// whatever lies in the container's /dev: the disk under the host's file system, whole, past every
// owner and every mode; the kernel's log; its memory, on machines that still allow that.
//
//   raw_device b|c MAJOR MINOR   makes the node here, and reads a little of the device
// Exit code: 0 something was read, 3 the kernel refused, 2 anything else.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

int refused(const char* call) {
    std::printf("%s: %s\n", call, std::strerror(errno));
    return errno == EPERM || errno == EACCES ? 3 : 2;
}

int read_device(const char* node) {
    const int device = ::open(node, O_RDONLY | O_NONBLOCK);
    if (device < 0) return refused("open");
    static char content[8192];
    const long got = ::read(device, &content[0], sizeof content);
    if (got <= 0) return refused("read");
    std::printf("%ld bytes of the device\n", got);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const auto number = [&](int i) {
        return static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10));
    };
    const mode_t kind = argv[1][0] == 'b' ? S_IFBLK : S_IFCHR;
    char node[] = "raw-device-node";
    if (::mknod(node, kind | 0600, ::makedev(number(2), number(3))) != 0) return refused("mknod");
    const int code = read_device(node);
    ::unlink(node);
    return code;
}
