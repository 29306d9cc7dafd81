/// @file
/// Chapter 04: content by its hash, as the OCI image specification names it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tenon {

/// `sha256:` and 64 hexadecimal digits. @see image-spec descriptor.md, "Digests"
struct Digest {
    std::string hex;  ///< lower case

    /// @throws std::invalid_argument  another algorithm, another length, upper case
    static Digest parse(std::string_view text);
    [[nodiscard]] std::string text() const { return "sha256:" + hex; }
    auto operator<=>(const Digest&) const = default;
};

/// A SHA-256 that is fed piece by piece.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void update(std::span<const std::byte> data);
    /// The digest of all that came. Once.
    [[nodiscard]] Digest finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

Digest sha256(std::string_view text);

/// What a layer is called together with all layers below it: two images that share a layer share a
/// folder only when they share everything beneath, too.
/// @param parent  chain id of the layer below; nothing for the lowest, whose chain id is its diff
/// id
/// @see image-spec config.md, "Layer ChainID"
Digest chain_id(const std::optional<Digest>& parent, const Digest& diff_id);

}  // namespace tenon
