// chroot_jail ROOT COMMAND [ARGUMENT...]: the container that chroot(2) makes.
//
// It looks like one: "/" is ROOT, and no path leads out. But chroot changes a single pointer, the
// place where this process starts to look up "/". Nothing is unmounted, and every directory that
// somebody still holds, or can get hold of, lies as far outside as before. chroot(2), NOTES
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: chroot_jail ROOT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    if (::chroot(argv[1]) != 0 || ::chdir("/") != 0) {
        std::perror(argv[1]);
        return 1;
    }
    ::execv(argv[2], argv + 2);
    std::perror(argv[2]);
    return 1;
}
