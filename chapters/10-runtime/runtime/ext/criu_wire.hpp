// Protocol buffers, as far as criu's service speaks them: fields that are whole numbers, texts, and
// messages in messages. A field is a key (its number, and how its value is written) and a value.
// See https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::ext {

class WireWriter {
  public:
    void number(unsigned field, std::uint64_t value);
    // Left out where it is false, which is what a missing one means.
    void flag(unsigned field, bool value);
    // A text, or a message that is written already.
    void text(unsigned field, std::string_view value);
    // Left out where it is empty.
    void text_if_any(unsigned field, std::string_view value);
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    void varint(std::uint64_t value);
    std::string bytes_;
};

struct WireField {
    unsigned number = 0;
    std::uint64_t value = 0;  // of a number
    std::string_view text;    // of anything else: points into what was read
};

// Throws std::invalid_argument  it ends in the middle, or is written in a way not known here
std::vector<WireField> read_wire(std::string_view message);

}  // namespace tenon::ext
