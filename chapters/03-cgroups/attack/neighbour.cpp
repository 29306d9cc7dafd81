// neighbour: some other program on the machine, which must be able to work.
//
// For each line of standard input it forks a child and answers with a line: `granted`, or the
// kernel's refusal. It ends with its input. When it does not answer any more, it was killed.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

int main() {
    for (int letter = std::getchar(); letter != EOF; letter = std::getchar()) {
        if (letter != '\n') continue;
        const pid_t child = ::fork();
        if (child == 0) ::_exit(0);
        if (child < 0) {
            std::printf("%s\n", errno == EAGAIN ? "refused" : std::strerror(errno));
        } else {
            ::waitpid(child, nullptr, 0);
            std::printf("granted\n");
        }
        std::fflush(stdout);
    }
    return 0;
}
