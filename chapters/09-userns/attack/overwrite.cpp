// Root in a container, with a folder of the host bound inside: it writes into a file there that
// belongs to the host's root and to nobody else. No trick: open(2) for writing.
//
//     overwrite FILE TEXT     0 written; 3 refused (prints why); 1 anything else
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

constexpr int refused = 3;

bool write_text(int file, const char* text) {
    const auto length = static_cast<ssize_t>(std::strlen(text));
    return ::write(file, text, static_cast<std::size_t>(length)) == length;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 1;
    const int file = ::open(argv[1], O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (file < 0) {
        const bool denied = errno == EACCES || errno == EPERM;
        std::printf("uid %d inside, open: %s\n", static_cast<int>(::geteuid()),
                    denied ? "EACCES" : std::strerror(errno));
        return denied ? refused : 1;
    }
    if (!write_text(file, argv[2])) return 1;
    std::printf("uid %d inside, written\n", static_cast<int>(::geteuid()));
    return 0;
}
