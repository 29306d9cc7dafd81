// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// From a tree of JSON values to typed structs, over the tables of fields.hpp. Whoever stops at the
// first mistake makes its author run the program once per mistake; so a wrong value is written down
// with its place, its member keeps its default, and reading goes on.
// What the table does not name is passed over: runtime-spec config.md, "Extensibility".
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "findings.hpp"
#include "json_document.hpp"
#include "tables.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/todo.hpp"

namespace tenon::oci {

namespace {

// One overload for each kind of member. Each reads `value`, which stands at `place`, into `out`.
class Reader {
  public:
    explicit Reader(Findings& findings) : findings_(&findings) {}

    void read(const JsonValue& value, const Place& place, bool& out) const {
        if (const bool* flag = value.get<bool>()) {
            out = *flag;
        } else {
            mismatch(place, value, "true or false");
        }
    }

    // Every text becomes a C string sooner or later, and that ends at a NUL: what was checked would
    // not be what is used.
    void read(const JsonValue& value, const Place& place, std::string& out) const {
        // TASK 06.1  from JSON to typed structs, all mistakes at once  (35 points)
        // man: getrlimit(2), setresuid(2)
        // hint: A wrong value must not end the reading: write it down with its place, leave the
        //   member as it is, and go on. Which values of JSON fit into a std::uint32_t, and which
        //   only seem to?
        // more: ./course hint 06.1
        TENON_TODO("06.1");
    }

    // A whole number that the member's type can hold. A negative one is an int64 in the tree, any
    // other a uint64, and 1.5, 1e3 or 2^64 a JsonDecimal.
    template <std::integral Number>
    void read(const JsonValue& value, const Place& place, Number& out) const {
        // TASK 06.1, continued
        TENON_TODO("06.1");
    }

    template <typename T>
    void read(const JsonValue& value, const Place& place, std::optional<T>& out) const {
        read(value, place, out.emplace());
    }

    template <typename T>
    void read(const JsonValue& value, const Place& place, std::vector<T>& out) const {
        // TASK 06.1, continued
        TENON_TODO("06.1");
    }

    template <typename T>
    void read(const JsonValue& value, const Place& place, std::map<std::string, T>& out) const {
        // TASK 06.1, continued
        TENON_TODO("06.1");
    }

    // An object with a table: field by field. Null is what is not given, as for every program in
    // Go.
    template <Described T>
    void read(const JsonValue& value, const Place& place, T& out) const {
        const auto* object = value.get<JsonValue::Object>();
        if (object == nullptr) return mismatch(place, value, "an object");
        for_each_field<T>([&](const auto& field) {
            const Place below{place, field.key, section_of(field)};
            const JsonValue* member = find_member(*object, field.key);
            // TASK 06.1, continued
            TENON_TODO("06.1");
        });
    }

  private:
    template <std::integral Number, std::integral Wide>
    [[nodiscard]] static bool take(Wide value, Number& out) {
        if (!std::in_range<Number>(value)) return false;
        out = static_cast<Number>(value);
        return true;
    }

    static bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

    void mismatch(const Place& place, const JsonValue& value, std::string_view expected) const {
        findings_->add(place, fmt::format("{}, but {} is expected", shown(value), expected));
    }

    Findings* findings_;
};

template <typename T>
std::pair<T, std::vector<Violation>> parse(std::string_view json, const char* section) {
    Findings findings;
    const JsonValue document = parse_json(json, findings);
    T object;
    Reader{findings}.read(document, Place{"", section}, object);
    return {std::move(object), findings.take()};
}

}  // namespace

ParsedSpec parse_spec(std::string_view json) {
    auto [spec, violations] = parse<Spec>(json, "config.md");
    return {std::move(spec), std::move(violations)};
}

ParsedProcess parse_process(std::string_view json) {
    auto [process, violations] = parse<Process>(json, "config.md, Process");
    return {std::move(process), std::move(violations)};
}

}  // namespace tenon::oci
