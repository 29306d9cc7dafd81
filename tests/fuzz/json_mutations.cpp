// Changes of a JSON document: most put another value in a value's place, so that the document is
// read to its end.
#include <array>
#include <string_view>

#include "replay.hpp"

namespace tenon::fuzz {

namespace {

constexpr std::array<std::string_view, 18> values{
    "null",
    "true",
    "-1",
    "0",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1.5",
    "1e400",
    "\"\"",
    "\"\\u0000\"",
    "\"a/b~c\\n\"",
    "[]",
    "{}",
    "[[[{\"a\":[]}]]]",
    "{\"type\":\"pid\",\"type\":\"pid\"}",
};

// From `at` on: where the next value begins, after a colon, a comma or a bracket.
std::size_t next_value(const std::string& text, std::size_t at) {
    const auto before = text.find_first_of(":,[", at);
    return before == std::string::npos ? text.size() : before + 1;
}

void replace_value(std::string& text, std::mt19937_64& random) {
    const std::size_t begin = next_value(text, below(random, text.size()));
    const auto end = text.find_first_of(",]}", begin);
    const std::size_t length = end == std::string::npos ? text.size() - begin : end - begin;
    text.replace(begin, length, values[below(random, values.size())]);
}

// A piece of the document once more, elsewhere: keys are there twice, objects deeper.
void repeat_piece(std::string& text, std::mt19937_64& random) {
    const std::size_t from = next_value(text, below(random, text.size()));
    const std::string piece = text.substr(from, below(random, 200));
    text.insert(next_value(text, below(random, text.size())), piece);
}

}  // namespace

void change(std::string& input, std::mt19937_64& random) {
    const std::size_t at = below(random, input.size());
    switch (below(random, 8)) {
        case 0: input[at] ^= static_cast<char>(1U << below(random, 8)); break;
        case 1: input.resize(at); break;
        case 2: input.erase(at, 1 + below(random, 8)); break;
        case 3: repeat_piece(input, random); break;
        default: replace_value(input, random); break;
    }
}

}  // namespace tenon::fuzz
