// Content by its hash.
#include <random>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "tenon/digest.hpp"

namespace tenon::test {

namespace {

constexpr const char* abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

}  // namespace

TEST_CASE("sha256 is the one of FIPS 180") {
    CHECK(sha256("abc").hex == abc);
    CHECK(sha256("").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("Sha256 takes its input in any pieces") {
    std::string text;
    for (int i = 0; i < 50; ++i) text += random_name(1 + random_below(100));
    Sha256 hash;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view piece = rest.substr(0, 1 + random_below(70));
        hash.update(std::as_bytes(std::span{piece}));
        rest.remove_prefix(piece.size());
    }
    CHECK(hash.finish() == sha256(text));
}

TEST_CASE("Digest::parse takes what the specification allows") {
    const std::string text = std::string{"sha256:"} + abc;
    CHECK(Digest::parse(text).text() == text);
    for (const std::string& bad :
         {std::string{}, std::string{"sha256"}, std::string{"sha256:"}, text + "0",
          text.substr(0, text.size() - 1), "sha512:" + text.substr(7), "SHA256:" + text.substr(7),
          "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, '/'),
          "sha256:../" + std::string(61, 'a'), " " + text}) {
        INFO(bad);
        CHECK_THROWS_AS(Digest::parse(bad), std::invalid_argument);
    }
}

TEST_CASE("chain_id counts what is below") {
    const Digest lowest = sha256("lowest");
    const Digest upper = sha256("upper");
    CHECK(chain_id(std::nullopt, lowest) == lowest);
    const Digest both = chain_id(lowest, upper);
    CHECK(both == sha256(lowest.text() + " " + upper.text()));
    CHECK(chain_id(upper, lowest) != both);
}

}  // namespace tenon::test
