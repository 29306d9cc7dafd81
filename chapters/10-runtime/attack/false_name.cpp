// A process that calls itself what it likes, as every process may: its name stands in the middle of
// /proc/PID/stat, in parentheses, as it is.
//
//   false_name NAME    up to 15 bytes. Says "up", and lives until standard input has a line.
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
    if (argc != 2 || ::prctl(PR_SET_NAME, argv[1]) != 0) return 1;
    std::puts("up");
    std::fflush(stdout);
    char line = 0;
    return ::read(STDIN_FILENO, &line, 1) < 0 ? 1 : 0;
}
