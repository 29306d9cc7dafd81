// What reading one config.json costs, and nothing else. tests/bench/spec.py times it.
//
//     spec_bench tree|structs|judged|dumped FILE COUNT
//
// tree: nlohmann's own parser and its own tree, of which nobody reads a value. structs: what
// parse_spec() makes. judged: validate() too. dumped: and dump().
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "tenon/oci_config.hpp"

namespace {

namespace oci = tenon::oci;

// Each returns a number that depends on the work, so that none of it is left out.
using Work = std::function<std::size_t(const std::string& text)>;

std::size_t tree(const std::string& text) {
    return nlohmann::json::parse(text).size();
}

std::size_t structs(const std::string& text) {
    return oci::parse_spec(text).spec.mounts.size();
}

std::size_t judged(const std::string& text) {
    return oci::validate(oci::parse_spec(text).spec).size();
}

std::size_t dumped(const std::string& text) {
    return oci::dump(oci::parse_spec(text).spec).size();
}

const std::map<std::string, Work> works{
    {"tree", tree}, {"structs", structs}, {"judged", judged}, {"dumped", dumped}};

std::string read_file(const char* path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> words{argv, static_cast<std::size_t>(argc)};
    const auto work = words.size() == 4 ? works.find(words[1]) : works.end();
    if (work == works.end()) {
        std::fputs("usage: spec_bench tree|structs|judged|dumped FILE COUNT\n", stderr);
        return 2;
    }
    const std::string text = read_file(words[2]);
    std::size_t sum = 0;
    for (long i = std::strtol(words[3], nullptr, 10); i > 0; --i) sum += work->second(text);
    std::printf("%zu\n", sum);
    return 0;
}
