// What is no JSON, or too much of it: one line, with a position.
#include <fmt/format.h>

#include "catch.hpp"
#include "configs.hpp"
#include "json_oracle.hpp"

namespace tenon::test {

namespace {

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

}  // namespace

TEST_CASE("what is no JSON is refused with line and column") {
    const auto [json, position] = GENERATE(table<std::string, const char*>({
        {"", "line 1, column 1"},
        {"{", "line 1, column 2"},
        {"{\"a\": 1,\n \"b\": }", "line 2, column 7"},
        {"{\"a\": tru}", "line 1, column 10"},
        {"{'a': 1}", "line 1, column 2"},
        {"{\"a\": 1}\n\n x", "line 3, column 2"},
        {"{\"a\": 01}", "line 1, column 8"},
        {"{\"a\": +1}", "line 1, column 7"},
        {"{\"a\": 1,}", "line 1, column 9"},
        {"{\"a\": [1 2]}", "line 1, column 10"},
        {"{\"a\": NaN}", "line 1, column 7"},
        {"// comment\n{}", "line 1, column 1"},
    }));
    INFO(json);
    const std::string why = refusal_of_json(json);
    CAPTURE(why);
    CHECK(why.starts_with(fmt::format("no JSON: {}: ", position)));
    CHECK(why.find('\n') == std::string::npos);
}

TEST_CASE("text that is no UTF-8 is refused") {
    for (const std::string& bytes :
         {std::string{"\xff"}, std::string{"\xc3("}, std::string{"\xc0\x80"},
          std::string{"\xed\xa0\x80"}, std::string{"\xf4\x90\x80\x80"}, std::string{"\xe2\x82"}}) {
        CHECK(refusal_of_json("{\"hostname\": \"" + bytes + "\"}").starts_with("no JSON: line 1"));
    }
    CHECK(refusal_of_json(R"({"hostname": "\ud800"})").starts_with("no JSON: line 1"));
    CHECK(refusal_of_json(R"({"hostname": "\udc00\ud800"})").starts_with("no JSON: line 1"));
}

TEST_CASE("a control character, a raw NUL and a byte order mark are refused") {
    CHECK(refusal_of_json("{\"hostname\": \"a\tb\"}").starts_with("no JSON: line 1"));
    CHECK(refusal_of_json(std::string("{\"hostname\": \"a\0b\"}", 19)).starts_with("no JSON"));
    CHECK(refusal_of_json(std::string("{}\0", 3)).starts_with("no JSON: line 1, column 3"));
    CHECK(refusal_of_json("\xEF\xBB\xBF{}").find("byte order mark") != std::string::npos);
}

TEST_CASE("a number beyond every double is refused, a long one is not repeated") {
    CHECK(refusal_of_json(R"({"a": 1e400})").starts_with("no JSON: line 1, column "));
    const std::string digits(1'000'000, '9');
    const std::string why = refusal_of_json("{\"a\": " + digits + "}");
    CHECK(why.size() < 300);
}

TEST_CASE("nesting is limited, and refused without descending") {
    for (const std::size_t depth : {std::size_t{65}, std::size_t{1'000'000}}) {
        const std::string why = refusal_of_json(R"({"a": )" + nested(depth) + "}");
        CHECK(why.starts_with("nested more than 64 deep at '/a/0/0"));
        CHECK(why.size() < 300);
    }
    std::string objects;
    for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
    CHECK(refusal_of_json(objects).starts_with("nested more than 64 deep at '/a/a"));
}

TEST_CASE("nesting up to the limit is read", "[uses-06.1]") {
    CHECK(refusal_of_json(R"({"a": )" + nested(63) + "}") == "accepted");
}

TEST_CASE("size and number of values are limited") {
    CHECK(refusal_of_json(std::string(oci::largest_config + 1, ' ')) ==
          "16777217 bytes: more than the 16777216 that are read");
    std::string list = "[0";
    for (int i = 0; i < 300'000; ++i) list += ",0";
    CHECK(refusal_of_json("{\"a\": " + list + "]}") == "more than 262144 values");
}

TEST_CASE("a text as long as the file is read", "[uses-06.1]") {
    const std::string text(oci::largest_config - 200, 'x');
    const oci::ParsedSpec result = oci::parse_spec(config_with("\"hostname\": \"" + text + "\""));
    CHECK(result.violations.empty());
    CHECK(result.spec.hostname.size() == text.size());
}

TEST_CASE("a message carries no more of a document than a line", "[uses-06.1]") {
    const std::string huge(1'000'000, 'k');
    const auto violations =
        oci::parse_spec(
            config_with(fmt::format(
                R"("annotations": {{"{0}": 1}}, "process": "{0}", "x": {{"{0}": {{"a": 1, "a": 2}}}})",
                huge)))
            .violations;
    REQUIRE(violations.size() == 3);
    for (const oci::Violation& violation : violations) {
        CHECK(violation.pointer.size() < 1100);
        CHECK(violation.message.size() < 200);
    }
}

TEST_CASE("the top of a config is an object") {
    for (const char* json : {"[]", "1", "\"x\"", "null", "true", "-1.5"}) {
        const auto violations = oci::parse_spec(json).violations;
        REQUIRE(violations.size() == 1);
        CHECK(violations.front().pointer.empty());
        CHECK(violations.front().message.ends_with("but an object is expected"));
    }
}

TEST_CASE("the one line of an InvalidSpec tells the first violations and their number") {
    std::vector<oci::Violation> violations;
    for (int i = 0; i < 5; ++i) violations.push_back({fmt::format("/{}", i), "m\n", "s"});
    const oci::InvalidSpec error{violations};
    CHECK(error.violations() == violations);
    CHECK(std::string{error.what()}.find("/2: m") != std::string::npos);
    CHECK(std::string{error.what()}.ends_with("and 2 more, which validate lists"));
}

}  // namespace tenon::test
