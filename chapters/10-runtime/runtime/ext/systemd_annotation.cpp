// org.systemd.property.*: values in the text format of GVariant, as far as properties of units have
// a use for it. https://docs.gtk.org/glib/gvariant-text.html
#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "systemd_unit.hpp"

namespace tenon::ext {

namespace {

struct NumberType {
    std::string_view word;
    const char* type;
};
constexpr std::array number_types{NumberType{"byte", "y"},   NumberType{"int16", "n"},
                                  NumberType{"uint16", "q"}, NumberType{"int32", "i"},
                                  NumberType{"uint32", "u"}, NumberType{"int64", "x"},
                                  NumberType{"uint64", "t"}, NumberType{"double", "d"}};

bool is_property_name(std::string_view name) {
    if (name.size() < 3) return false;
    for (const char c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) return false;
    }
    return true;
}

// Reads a value from its front on.
class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    void skip_blanks() {
        while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front())) != 0) {
            rest_.remove_prefix(1);
        }
    }
    bool take(std::string_view word) {
        skip_blanks();
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }
    // Up to the next blank; what is behind it remains.
    std::string_view take_word() {
        skip_blanks();
        const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t\n"));
        rest_.remove_prefix(word.size());
        return word;
    }
    // 'text' or "text"; a backslash takes the next character as it is.
    std::optional<std::string> take_text() {
        skip_blanks();
        if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return std::nullopt;
        const char quote = rest_.front();
        std::string text;
        for (std::size_t at = 1; at < rest_.size(); ++at) {
            if (rest_[at] == quote) {
                rest_.remove_prefix(at + 1);
                return text;
            }
            if (rest_[at] == '\\' && ++at == rest_.size()) break;
            text += rest_[at];
        }
        return std::nullopt;
    }
    bool at_end() {
        skip_blanks();
        return rest_.empty();
    }

  private:
    std::string_view rest_;
};

using Value = std::optional<std::pair<std::string, std::vector<std::string>>>;

Value read_array(Reader reader) {
    std::vector<std::string> texts;
    reader.take("@as");
    if (!reader.take("[")) return std::nullopt;
    while (!reader.take("]")) {
        if (!texts.empty() && !reader.take(",")) return std::nullopt;
        std::optional<std::string> text = reader.take_text();
        if (!text) return std::nullopt;
        texts.push_back(std::move(*text));
    }
    if (!reader.at_end()) return std::nullopt;
    texts.insert(texts.begin(), std::to_string(texts.size()));
    return std::pair{std::string{"as"}, std::move(texts)};
}

bool is_number(std::string_view text, bool whole) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() && std::isfinite(number) &&
           (!whole || text.find_first_not_of("-0123456789") == std::string_view::npos);
}

// Without a type it is an int32, or a double where it has a point.
Value read_number(Reader reader) {
    std::string_view word = reader.take_word();
    std::string type = word.find('.') == std::string_view::npos ? "i" : "d";
    for (const NumberType& each : number_types) {
        if (word != each.word) continue;
        type = each.type;
        word = reader.take_word();
        break;
    }
    if (!reader.at_end() || !is_number(word, type != "d")) return std::nullopt;
    return std::pair{type, std::vector<std::string>{std::string{word}}};
}

Value read_value(std::string_view text) {
    Reader reader{text};
    if (std::optional<std::string> string = reader.take_text(); string && reader.at_end()) {
        return std::pair{std::string{"s"}, std::vector<std::string>{std::move(*string)}};
    }
    const Reader start{text};
    const std::string_view word = Reader{start}.take_word();
    if (word == "true" || word == "false") {
        Reader rest{start};
        rest.take_word();
        if (!rest.at_end()) return std::nullopt;
        return std::pair{std::string{"b"}, std::vector<std::string>{std::string{word}}};
    }
    if (Value array = read_array(start)) return array;
    return read_number(start);
}

bool is_in_seconds(std::string_view name, std::string_view type) {
    return name.ends_with("Sec") && !name.ends_with("USec") &&
           std::string_view{"ynqiuxtd"}.find(type) != std::string_view::npos;
}

// Nothing where it is less than none, or more than can be counted.
std::optional<std::string> microseconds_in(const std::string& seconds) {
    const double wanted = std::stod(seconds) * 1e6;
    if (wanted < 0 || wanted >= 9e18) return std::nullopt;
    return std::to_string(std::llround(wanted));
}

}  // namespace

UnitProperty property_from_annotation(std::string name, std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        throw std::invalid_argument(
            fmt::format("/annotations/org.systemd.property.{}: '{}': {}", name, text, why));
    };
    if (!is_property_name(name)) refuse("no name of a property of systemd: letters and digits");
    Value value = read_value(text);
    if (!value) {
        refuse(
            "no value of GVariant that is known here: write true, 'text', ['text'], 5, uint64 5");
    }
    if (!is_in_seconds(name, value->first)) return {name, value->first, value->second};
    const std::optional<std::string> microseconds = microseconds_in(value->second.front());
    if (!microseconds) refuse("no time");
    return {name.substr(0, name.size() - 3) + "USec", "t", {*microseconds}};
}

}  // namespace tenon::ext
