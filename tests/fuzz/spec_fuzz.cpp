// Fuzz target: parse_spec(), validate() and dump() on any bytes. Whatever they say, the sanitizers
// must be quiet, and four things hold: what we read is JSON for nlohmann's own parser, and what we
// refuse as no JSON is none for it; a message is one line of limited length; what was read without
// a violation is dumped, and read again as the same; and dumped again as the same text.
//
//   cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DTENON_FUZZ=ON
//   cmake --build build/fuzz --target spec_fuzz
//   mkdir -p build/fuzz/found
//   build/fuzz/bin/spec_fuzz -max_len=65536 build/fuzz/found tests/fuzz/spec_corpus
//
// Without TENON_FUZZ it has a main() of its own (replay.cpp), which runs the committed corpus and
// mutations of it: tests/shell/test_ch06_fuzz.py.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tenon/oci_config.hpp"

namespace {

namespace oci = tenon::oci;

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "spec_fuzz: %s\n", what);
    std::abort();
}

bool is_one_line(std::string_view text) {
    constexpr std::size_t longest = 1200;
    return text.size() < longest && std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20;
           });
}

void check_violations(const std::vector<oci::Violation>& violations) {
    for (const oci::Violation& violation : violations) {
        require(violation.pointer.empty() || violation.pointer.front() == '/', "no JSON pointer");
        require(is_one_line(violation.message), "a message of more than one line");
        require(!violation.section.empty(), "a violation without a section");
    }
}

// nlohmann's parser skips a byte order mark, and takes a NUL for the end.
bool means_something_else(std::string_view text) {
    return text.starts_with("\xEF") || text.find('\0') != std::string_view::npos;
}

std::optional<oci::ParsedSpec> parse(std::string_view text) {
    try {
        oci::ParsedSpec parsed = oci::parse_spec(text);
        require(nlohmann::json::accept(text), "read what is no JSON");
        return parsed;
    } catch (const std::invalid_argument& error) {
        const std::string_view why = error.what();
        require(is_one_line(why), "a refusal of more than one line");
        require(!why.starts_with("no JSON") || means_something_else(text) ||
                    !nlohmann::json::accept(text),
                "refused JSON as none");
        return std::nullopt;
    }
}

void check_round_trip(const oci::Spec& spec) {
    const std::string text = oci::dump(spec);
    const oci::ParsedSpec again = oci::parse_spec(text);
    require(again.violations.empty(), "what was dumped is not read");
    require(again.spec == spec, "what was dumped is read as something else");
    require(oci::dump(again.spec) == text, "what was dumped is dumped as something else");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const std::optional<oci::ParsedSpec> parsed = parse(text);
    if (!parsed) return 0;
    check_violations(parsed->violations);
    check_violations(oci::validate(parsed->spec));
    if (parsed->violations.empty()) check_round_trip(parsed->spec);
    return 0;
}
