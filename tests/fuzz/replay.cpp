// A main() for a fuzz target where there is no libFuzzer: every file of a folder as it is, then
// mutations of them, always the same. Usage: NAME FOLDER MUTATIONS
#include "replay.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
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

// One of the corpus, changed in one to four places.
class Mutator {
  public:
    explicit Mutator(const std::vector<std::string>& corpus) : corpus_(&corpus) {}
    std::string next() {
        std::string input = (*corpus_)[tenon::fuzz::below(random_, corpus_->size())];
        const std::size_t changes = 1 + tenon::fuzz::below(random_, 4);
        for (std::size_t i = 0; i < changes && !input.empty(); ++i) {
            tenon::fuzz::change(input, random_);
        }
        return input;
    }

  private:
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
    std::printf("%zu inputs and %ld mutations of them: no complaint\n", corpus.size(), mutations);
    return 0;
}
