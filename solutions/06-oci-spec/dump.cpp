// The way back, over the same tables: structs become a tree of JSON values, and the tree a text.
// What has its default is left out, as the specification's own `omitempty` does, so that a config
// that was read and written again says no more than it said before.
#include <concepts>
#include <map>
#include <optional>

#include "json_document.hpp"
#include "tables.hpp"
#include "tenon/oci_config.hpp"

namespace tenon::oci {

namespace {

// ---- whether a member says anything ---------------------------------------------------------

template <std::integral Number>
bool is_given(Number value) {
    // BEGIN SOLUTION 06.3
    return value != 0;  // false, too
    // END SOLUTION
}

// A zero in it was written by somebody, and may mean something else than nothing.
template <typename T>
bool is_given(const std::optional<T>& value) {
    // BEGIN SOLUTION 06.3
    return value.has_value();
    // END SOLUTION
}

// Text, lists, maps.
template <typename T>
requires requires(const T& value) {
    value.empty();
}
bool is_given(const T& value) {
    // BEGIN SOLUTION 06.3
    return !value.empty();
    // END SOLUTION
}

template <Described T>
bool is_given(const T& /*value*/) {
    return true;
}

// ---- what it says ---------------------------------------------------------------------------

template <Described T>
JsonValue tree_of(const T& object);
template <typename T>
JsonValue tree_of(const std::vector<T>& list);
template <typename T>
JsonValue tree_of(const std::map<std::string, T>& map);

JsonValue tree_of(bool value) {
    return {value};
}
JsonValue tree_of(const std::string& value) {
    return {value};
}

template <std::integral Number>
JsonValue tree_of(Number value) {
    if (value < 0) return {static_cast<std::int64_t>(value)};
    return {static_cast<std::uint64_t>(value)};
}

template <typename T>
JsonValue tree_of(const std::optional<T>& value) {
    return tree_of(*value);
}

template <typename T>
JsonValue tree_of(const std::vector<T>& list) {
    // BEGIN SOLUTION 06.3
    JsonValue::List values;
    for (const T& element : list) values.push_back(tree_of(element));
    return {std::move(values)};
    // END SOLUTION
}

template <typename T>
JsonValue tree_of(const std::map<std::string, T>& map) {
    // BEGIN SOLUTION 06.3
    JsonValue::Object members;
    for (const auto& [key, value] : map) members.push_back({key, tree_of(value)});
    return {std::move(members)};
    // END SOLUTION
}

template <Described T>
JsonValue tree_of(const T& object) {
    JsonValue::Object members;
    for_each_field<T>([&](const auto& field) {
        const auto& member = object.*field.member;
        // BEGIN SOLUTION 06.3
        if (field.required || is_given(member)) members.push_back({field.key, tree_of(member)});
        // END SOLUTION
    });
    return {std::move(members)};
}

}  // namespace

std::string dump(const Spec& spec) {
    return text_of(tree_of(spec));
}

}  // namespace tenon::oci
