#include "criu_wire.hpp"

#include <stdexcept>

namespace tenon::ext {

namespace {

// How a value is written: the low three bits of its key.
enum : std::uint64_t { as_varint = 0, as_fixed64 = 1, as_bytes = 2, as_fixed32 = 5 };
constexpr unsigned form_bits = 3;
constexpr unsigned group_bits = 7;
constexpr std::uint64_t group_mask = 0x7f;
constexpr unsigned char more_follow = 0x80;
constexpr unsigned most_bits = 64;

[[noreturn]] void not_understood() {
    throw std::invalid_argument("criu's answer cannot be understood");
}

std::string_view take(std::string_view& rest, std::uint64_t size) {
    if (size > rest.size()) not_understood();
    const std::string_view part = rest.substr(0, size);
    rest.remove_prefix(size);
    return part;
}

// Seven bits in each byte, the lowest first; the top bit says that more follow.
std::uint64_t take_varint(std::string_view& rest) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < most_bits; shift += group_bits) {
        const auto byte = static_cast<unsigned char>(take(rest, 1).front());
        value |= (byte & group_mask) << shift;
        if ((byte & more_follow) == 0) return value;
    }
    not_understood();
}

}  // namespace

void WireWriter::varint(std::uint64_t value) {
    while (value > group_mask) {
        bytes_ += static_cast<char>((value & group_mask) | more_follow);
        value >>= group_bits;
    }
    bytes_ += static_cast<char>(value);
}

void WireWriter::number(unsigned field, std::uint64_t value) {
    varint(std::uint64_t{field} << form_bits | as_varint);
    varint(value);
}

void WireWriter::flag(unsigned field, bool value) {
    if (value) number(field, 1);
}

void WireWriter::text(unsigned field, std::string_view value) {
    varint(std::uint64_t{field} << form_bits | as_bytes);
    varint(value.size());
    bytes_ += value;
}

void WireWriter::text_if_any(unsigned field, std::string_view value) {
    if (!value.empty()) text(field, value);
}

std::vector<WireField> read_wire(std::string_view message) {
    constexpr std::uint64_t form_mask = 7;
    std::vector<WireField> fields;
    while (!message.empty()) {
        const std::uint64_t key = take_varint(message);
        WireField field{.number = static_cast<unsigned>(key >> form_bits)};
        switch (key & form_mask) {
            case as_varint: field.value = take_varint(message); break;
            case as_bytes: field.text = take(message, take_varint(message)); break;
            case as_fixed64: field.text = take(message, sizeof(std::uint64_t)); break;
            case as_fixed32: field.text = take(message, sizeof(std::uint32_t)); break;
            default: not_understood();
        }
        fields.push_back(field);
    }
    return fields;
}

}  // namespace tenon::ext
