// A JSON document as a tree of values. Internal to chapter 06; what it is parsed by stays in
// json_document.cpp.
//
// A tree of our own, because three things must not be lost on the way: which keys were there twice,
// in which order the keys came, and how a number was written that fits into no integer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "findings.hpp"

namespace tenon::oci {

struct JsonMember;

// A number that is no whole one of 64 bits: as it was written.
struct JsonDecimal {
    std::string text;
};

struct JsonValue {
    using List = std::vector<JsonValue>;
    using Object = std::vector<JsonMember>;
    // A negative number is an int64, every other whole one a uint64.
    std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, JsonDecimal, std::string, List,
                 Object>
        data;  // null, to begin with

    [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(data); }
    // Null when it is something else.
    template <typename T>
    [[nodiscard]] const T* get() const {
        return std::get_if<T>(&data);
    }
};

struct JsonMember {
    std::string key;
    JsonValue value;
};

// Null when `object` has no such key.
const JsonValue* find_member(const JsonValue::Object& object, std::string_view key);

// `true`, `4711`, `'text'`, `a list`: what stands there, for a message.
std::string shown(const JsonValue& value);

// Reads a document. A key that an object has twice is a violation: readers differ in which they
// take, and what one has judged another would run.
// @throws std::invalid_argument  as parse_spec()
JsonValue parse_json(std::string_view text, Findings& findings);

// The text of a document: two-space indentation, a line's end at the end.
// @throws std::invalid_argument  a text in it is no UTF-8
std::string text_of(const JsonValue& value);

}  // namespace tenon::oci
