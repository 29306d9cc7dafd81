// A main() for a fuzz target where there is no libFuzzer: every file of a folder as it is, then
// mutations of them, always the same. Usage: NAME FOLDER MUTATIONS
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

std::vector<std::string> read_corpus(const char* folder) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> corpus;
    for (const auto& path : paths) {
        std::ifstream in{path, std::ios::binary};
        corpus.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
    }
    return corpus;
}

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(input.data()), input.size());
}

// tar's header checksum, so that a changed header is read and not refused at once. tar(5)
void repair_checksum(std::string& archive, std::size_t block) {
    if (block + 512 > archive.size()) return;
    std::fill_n(archive.begin() + static_cast<long>(block) + 148, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = block; i < block + 512; ++i) sum += static_cast<unsigned char>(archive[i]);
    std::snprintf(&archive[block + 148], 7, "%06o", sum);
}

class Mutator {
  public:
    explicit Mutator(const std::vector<std::string>& corpus) : corpus_(&corpus) {}
    std::string next() {
        std::string input = (*corpus_)[below(corpus_->size())];
        for (std::size_t i = 0; i <= below(4) && !input.empty(); ++i) change(input);
        return input;
    }

  private:
    std::size_t below(std::size_t limit) { return random_() % limit; }
    void change(std::string& input) {
        const std::size_t at = below(input.size());
        const std::size_t block = at / 512 * 512;
        switch (below(5)) {
            case 0: input[at] = static_cast<char>(random_()); break;
            case 1: input.resize(at); return;
            case 2: input.replace(at, 2, ".."); break;
            case 3:
                input.insert(block, input.substr(below(input.size()) / 512 * 512, 1024));
                return;
            default: input[at] ^= static_cast<char>(1U << below(8)); break;
        }
        repair_checksum(input, block);
    }

    const std::vector<std::string>* corpus_;
    std::mt19937_64 random_;  // seeded alike in every run: NOLINT(cert-msc51-cpp)
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s FOLDER MUTATIONS\n", argv[0]);
        return 2;
    }
    const std::vector<std::string> corpus = read_corpus(argv[1]);
    for (const std::string& input : corpus) run(input);
    Mutator mutator(corpus);
    const long mutations = std::strtol(argv[2], nullptr, 10);
    for (long i = 0; i < mutations; ++i) run(mutator.next());
    std::printf("%zu inputs and %ld mutations of them: nothing escaped\n", corpus.size(),
                mutations);
    return 0;
}
