// path_mount ROOTFS TARGET: a container's set-up the old way, mount(2) on a path.
//
// It glues the two texts together and hands them to the kernel, which follows every symbolic link
// in them from the HOST's root. An image that ships TARGET as a link to somewhere else decides
// where the runtime, with root's power, mounts: CVE-2019-18837, CVE-2021-30465 and a dozen more.
// Looking first (realpath, lstat) does not help: the image can change between look and mount.
//
// Then it prints what is mounted now and was made by it, so that the damage can be seen.
#include <sys/mount.h>

#include <cstdio>
#include <fstream>
#include <string>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: path_mount ROOTFS TARGET\n");
        return 2;
    }
    const std::string target = std::string{argv[1]} + argv[2];
    if (::mount("path_mount", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") != 0) {
        std::perror(target.c_str());
        return 1;
    }
    // proc(5), mountinfo: the fifth field is where it really went.
    std::ifstream mounts{"/proc/self/mountinfo"};
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" path_mount ") == std::string::npos) continue;
        std::size_t begin = 0;
        for (int field = 0; field < 4; ++field) begin = line.find(' ', begin) + 1;
        std::printf("%s\n", line.substr(begin, line.find(' ', begin) - begin).c_str());
    }
    return 0;
}
