// What a struct consists of, as a table. Internal to chapter 06.
//
// Each object of config.json is described once: its section of the specification, then its fields
// in the specification's order, each with the key in the file and the member of the struct. Who
// reads and who writes go over the same table, so neither can know a field that the other forgot.
#pragma once

#include <concepts>
#include <tuple>
#include <type_traits>

namespace tenon::oci {

// `key` in the file is `member` in the struct.
template <typename Owner, typename Value>
struct Field {
    const char* key = nullptr;
    Value Owner::*member = nullptr;
    bool required = false;
    const char* section = nullptr;  // null: the object's

    // The same, for a field that has a section of its own.
    [[nodiscard]] constexpr Field in(const char* where) const {
        return {key, member, required, where};
    }
};

// Has to be there, and is written even when it is zero or empty.
template <typename Owner, typename Value>
constexpr Field<Owner, Value> required(const char* key, Value Owner::*member) {
    return {key, member, true};
}

// May be missing: then the member keeps its default, and a default is not written.
template <typename Owner, typename Value>
constexpr Field<Owner, Value> optional(const char* key, Value Owner::*member) {
    return {key, member, false};
}

template <typename... Fields>
struct ObjectTable {
    const char* section;
    std::tuple<Fields...> fields;
};

template <typename... Fields>
constexpr ObjectTable<Fields...> object(const char* section, Fields... fields) {
    return {section, {fields...}};
}

struct NoTable {};

// The table of T; oci_tables.hpp has one for each object.
template <typename T>
inline constexpr NoTable table{};

template <typename T>
concept Described = !std::same_as<std::remove_const_t<decltype(table<T>)>, NoTable>;

template <Described T, typename Value>
constexpr const char* section_of(const Field<T, Value>& field) {
    return field.section != nullptr ? field.section : table<T>.section;
}

// Calls `visit` with each Field of T, in order.
template <Described T, typename Visit>
void for_each_field(const Visit& visit) {
    std::apply([&](const auto&... field) { (visit(field), ...); }, table<T>.fields);
}

}  // namespace tenon::oci
