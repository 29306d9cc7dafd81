// memory_hog MIB: takes memory, a piece at a time, until it has MIB mebibytes.
//
// mmap alone takes nothing: the kernel gives a page when it is first touched, and by then there is
// nobody to whom it could return an error. When no page is left, it kills. Whom, it decides by size
// and by oom_score_adj: not always the one who took too much.
//
// Says after each piece how much it has: its last line is how far it came. Bounded in time by an
// alarm. Exit code: 0 it has all of it; killed otherwise.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr long piece_mib = 4;
constexpr std::size_t piece_bytes = std::size_t{piece_mib} << 20;
constexpr unsigned longest_life_seconds = 40;

bool take_a_piece() {
    void* const piece =
        ::mmap(nullptr, piece_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED) return false;
    // Not zeros: pages of zeros can be merged.
    std::memset(piece, 0x5a, piece_bytes);
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const long wanted = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
    if (wanted <= 0) {
        std::fprintf(stderr, "usage: memory_hog MIB\n");
        return 2;
    }
    ::alarm(longest_life_seconds);
    for (long taken = 0; taken < wanted;) {
        if (!take_a_piece()) {
            std::perror("mmap");
            return 1;
        }
        taken += piece_mib;
        std::printf("%ld\n", taken);
        std::fflush(stdout);
    }
    return 0;
}
