// What a fuzz target is replayed with, where there is no libFuzzer: see replay.cpp.
#pragma once

#include <random>
#include <string>

namespace tenon::fuzz {

// Changes `input`, which is not empty, in one place, so that it still is nearly what the target
// reads: flipped bits alone seldom come further than the first check. One definition per format:
// tar_mutations.cpp, json_mutations.cpp.
void change(std::string& input, std::mt19937_64& random);

inline std::size_t below(std::mt19937_64& random, std::size_t limit) {
    return random() % limit;
}

}  // namespace tenon::fuzz
