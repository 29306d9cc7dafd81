// SHA-256 by OpenSSL: the processor's own instructions where it has some. By the functions that its
// version 3 calls deprecated: those of EVP begin with configuration files and providers, which cost
// more than a whole container.
#define OPENSSL_SUPPRESS_DEPRECATED  // NOLINT(readability-identifier-naming): OpenSSL's own switch
#include "tenon/digest.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace tenon {

namespace {

constexpr std::string_view algorithm = "sha256:";
constexpr std::size_t hex_length = 64;

bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void require(int done) {
    if (done != 1) throw std::runtime_error("SHA-256: OpenSSL refuses");
}

std::string hex_of(std::span<const unsigned char> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    hex.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) {
        hex += digits[byte >> 4U];
        hex += digits[byte & 15U];
    }
    return hex;
}

}  // namespace

Digest Digest::parse(std::string_view text) {
    const std::string_view hex = text.substr(std::min(text.size(), algorithm.size()));
    const bool right = text.starts_with(algorithm) && hex.size() == hex_length &&
                       std::all_of(hex.begin(), hex.end(), is_lower_hex);
    if (!right) {
        throw std::invalid_argument("digest \"" + std::string{text} +
                                    "\": must be sha256: and 64 lower case hexadecimal digits");
    }
    return Digest{std::string{hex}};
}

struct Sha256::State {
    SHA256_CTX context{};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    require(SHA256_Init(&state_->context));
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> data) {
    require(SHA256_Update(&state_->context, data.data(), data.size()));
}

Digest Sha256::finish() {
    std::array<unsigned char, hex_length / 2> bytes{};
    require(SHA256_Final(bytes.data(), &state_->context));
    return Digest{hex_of(bytes)};
}

Digest sha256(std::string_view text) {
    Sha256 hash;
    hash.update(std::as_bytes(std::span{text}));
    return hash.finish();
}

Digest chain_id(const std::optional<Digest>& parent, const Digest& diff_id) {
    if (!parent) return diff_id;
    return sha256(parent->text() + " " + diff_id.text());
}

}  // namespace tenon
