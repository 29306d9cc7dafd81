// Changes of an archive: after each, tar's header checksum is right again, so that the changed
// header is read and not refused at once. tar(5)
#include <algorithm>
#include <cstdio>

#include "replay.hpp"

namespace tenon::fuzz {

namespace {

void repair_checksum(std::string& archive, std::size_t block) {
    if (block + 512 > archive.size()) return;
    std::fill_n(archive.begin() + static_cast<long>(block) + 148, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = block; i < block + 512; ++i) sum += static_cast<unsigned char>(archive[i]);
    std::snprintf(&archive[block + 148], 7, "%06o", sum);
}

}  // namespace

void change(std::string& input, std::mt19937_64& random) {
    const std::size_t at = below(random, input.size());
    const std::size_t block = at / 512 * 512;
    switch (below(random, 5)) {
        case 0: input[at] = static_cast<char>(random()); break;
        case 1: input.resize(at); return;
        case 2: input.replace(at, 2, ".."); break;
        case 3:
            input.insert(block, input.substr(below(random, input.size()) / 512 * 512, 1024));
            return;
        default: input[at] ^= static_cast<char>(1U << below(random, 8)); break;
    }
    repair_checksum(input, block);
}

}  // namespace tenon::fuzz
