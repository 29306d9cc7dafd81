// The library reads, event by event, and keeps no stack of its own calls; we build. What would make
// the tree too deep or too large is refused while it is read, not when it is there.
// RFC 8259; nlohmann-json, "SAX interface"
#include "json_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tenon/log.hpp"

namespace tenon::oci {

namespace {

// Enough for any config, and the tree of the largest file stays below 20 MB.
constexpr std::size_t most_values = std::size_t{1} << 18;

template <typename... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> words, Parts&&... parts) {
    throw std::invalid_argument(fmt::format(words, std::forward<Parts>(parts)...));
}

// The library's text without its own name, its own position and the last token, which may be all of
// the document: "[json...] parse error at line 1, column 2: syntax error while parsing value - X;
// last read: 'Y'; expected Z" becomes "X; expected Z".
std::string reason_in(std::string text) {
    const auto begin = text.find(": ");
    if (begin != std::string::npos) text.erase(0, begin + 2);
    const auto what = text.find(" - ");
    if (text.starts_with("syntax error") && what != std::string::npos) text.erase(0, what + 3);
    if (text.starts_with("[json")) text.erase(0, text.find(']') + 2);
    const auto token = text.find("; last read: '");
    const auto expected = text.rfind("'; expected");
    if (token != std::string::npos) {
        text.erase(token, expected == std::string::npos ? expected : expected + 1 - token);
    }
    constexpr std::size_t longest = 160;
    return printable(std::string_view{text}.substr(0, longest));
}

[[noreturn]] void refuse_at(std::string_view text, std::size_t position, std::string_view reason) {
    const std::string_view before = text.substr(0, position);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto last_end = before.rfind('\n');
    const std::size_t begin = last_end == std::string_view::npos ? 0 : last_end + 1;
    refuse("no JSON: line {}, column {}: {}", line, before.size() - begin + 1, reason);
}

class TreeBuilder {
  public:
    TreeBuilder(std::string_view text, Findings& findings) : text_(text), findings_(&findings) {}
    JsonValue take() { return std::move(root_); }

    // NOLINTBEGIN(readability-identifier-naming): what nlohmann::json_sax asks for
    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(std::int64_t value) {
        return value < 0 ? add(value) : add(static_cast<std::uint64_t>(value));
    }
    bool number_unsigned(std::uint64_t value) { return add(value); }
    bool number_float(double /*value*/, const std::string& text) { return add(JsonDecimal{text}); }
    bool string(std::string& value) { return add(std::move(value)); }
    static bool binary(nlohmann::json::binary_t& /*value*/) { return false; }
    bool start_object(std::size_t /*size*/) { return open(JsonValue::Object{}); }
    bool start_array(std::size_t /*size*/) { return open(JsonValue::List{}); }
    bool key(std::string& name) {
        std::get<JsonValue::Object>(open_.back()->data).push_back({std::move(name), {}});
        return true;
    }
    bool end_object() {
        report_duplicates(std::get<JsonValue::Object>(open_.back()->data));
        open_.pop_back();
        return true;
    }
    bool end_array() {
        open_.pop_back();
        return true;
    }
    // NOLINTEND(readability-identifier-naming)

    [[noreturn]] bool parse_error(std::size_t position, const std::string& /*token*/,
                                  const nlohmann::json::exception& error) const {
        refuse_at(text_, position > 0 ? position - 1 : 0, reason_in(error.what()));
    }

  private:
    template <typename T>
    bool add(T&& value) {
        next_slot().data = std::forward<T>(value);
        return true;
    }

    template <typename T>
    bool open(T&& value) {
        JsonValue& slot = next_slot();
        if (open_.size() == deepest_config) {
            refuse("nested more than {} deep at {}", deepest_config,
                   shown(pointer_of(open_.size())));
        }
        slot.data = std::forward<T>(value);
        open_.push_back(&slot);
        return true;
    }

    // Where the next value belongs. What is open is never moved: only its own members are added.
    JsonValue& next_slot() {
        if (++count_ > most_values) refuse("more than {} values", most_values);
        if (open_.empty()) return root_;
        if (auto* list = std::get_if<JsonValue::List>(&open_.back()->data)) {
            return list->emplace_back();
        }
        return std::get<JsonValue::Object>(open_.back()->data).back().value;
    }

    void report_duplicates(const JsonValue::Object& object) {
        std::vector<std::string_view> keys;
        keys.reserve(object.size());
        for (const JsonMember& member : object) keys.push_back(member.key);
        std::sort(keys.begin(), keys.end());
        auto at = std::adjacent_find(keys.begin(), keys.end());
        if (at == keys.end()) return;
        const std::string above = pointer_of(open_.size() - 1);
        while (at != keys.end() && !findings_->full()) {
            findings_->add({.pointer = above + pointer_step(*at),
                            .message = "is there more than once: which one counts?",
                            .section = "RFC 8259, Objects"});
            at = std::adjacent_find(std::upper_bound(at, keys.end(), *at), keys.end());
        }
    }

    // Along the first `depth` that are open: of each, the part that was added last.
    [[nodiscard]] std::string pointer_of(std::size_t depth) const {
        std::string pointer;
        for (std::size_t i = 0; i < depth; ++i) {
            if (const auto* list = open_[i]->get<JsonValue::List>()) {
                pointer += fmt::format("/{}", list->size() - 1);
            } else {
                pointer += pointer_step(open_[i]->get<JsonValue::Object>()->back().key);
            }
        }
        return Findings::shortened(std::move(pointer));
    }

    std::string_view text_;
    Findings* findings_;
    JsonValue root_;
    std::vector<JsonValue*> open_;
    std::size_t count_ = 0;
};

std::string json_text(std::string_view text) {
    try {
        return nlohmann::json(text).dump();
    } catch (const nlohmann::json::exception&) {
        refuse("{} is no UTF-8, and JSON is nothing else", shown(text));
    }
}

// Writes a tree as people like to read it.
class TextWriter {
  public:
    void write(const JsonValue& value, std::size_t depth) {
        std::visit([&](const auto& data) { write_data(data, depth); }, value.data);
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    void write_data(std::nullptr_t, std::size_t) { text_ += "null"; }
    void write_data(bool data, std::size_t) { text_ += data ? "true" : "false"; }
    void write_data(std::uint64_t data, std::size_t) { text_ += std::to_string(data); }
    void write_data(std::int64_t data, std::size_t) { text_ += std::to_string(data); }
    void write_data(const JsonDecimal& data, std::size_t) { text_ += data.text; }
    void write_data(const std::string& data, std::size_t) { text_ += json_text(data); }
    void write_data(const JsonValue::List& list, std::size_t depth) {
        write_items(list, "[]", depth, [&](const JsonValue& value) { write(value, depth + 1); });
    }
    void write_data(const JsonValue::Object& object, std::size_t depth) {
        write_items(object, "{}", depth, [&](const JsonMember& member) {
            text_ += json_text(member.key) + ": ";
            write(member.value, depth + 1);
        });
    }

    template <typename Items, typename WriteItem>
    void write_items(const Items& items, const char* brackets, std::size_t depth,
                     const WriteItem& write_item) {
        text_ += brackets[0];
        for (const auto& item : items) {
            text_ += &item == &items.front() ? "\n" : ",\n";
            text_.append(2 * (depth + 1), ' ');
            write_item(item);
        }
        if (!items.empty()) text_.append("\n").append(2 * depth, ' ');
        text_ += brackets[1];
    }

    std::string text_;
};

struct Shower {
    std::string operator()(std::nullptr_t) const { return "null"; }
    std::string operator()(bool data) const { return data ? "true" : "false"; }
    std::string operator()(std::uint64_t data) const { return std::to_string(data); }
    std::string operator()(std::int64_t data) const { return std::to_string(data); }
    std::string operator()(const JsonDecimal& data) const {
        const std::string text = shown(data.text);
        return text.substr(1, text.size() - 2);
    }
    std::string operator()(const std::string& data) const { return shown(data); }
    std::string operator()(const JsonValue::List& /*data*/) const { return "a list"; }
    std::string operator()(const JsonValue::Object& /*data*/) const { return "an object"; }
};

}  // namespace

const JsonValue* find_member(const JsonValue::Object& object, std::string_view key) {
    const auto found = std::find_if(object.begin(), object.end(),
                                    [&](const JsonMember& member) { return member.key == key; });
    return found == object.end() ? nullptr : &found->value;
}

std::string shown(const JsonValue& value) {
    return std::visit(Shower{}, value.data);
}

JsonValue parse_json(std::string_view text, Findings& findings) {
    if (text.size() > largest_config) {
        refuse("{} bytes: more than the {} that are read", text.size(), largest_config);
    }
    if (text.starts_with("\xEF\xBB\xBF")) {
        refuse("no JSON: it begins with a byte order mark, which RFC 8259, 8.1 forbids");
    }
    // The library takes one for the end of the document, and what comes after it would be hidden.
    const auto nul = text.find('\0');
    if (nul != std::string_view::npos) refuse_at(text, nul, "a NUL");
    TreeBuilder builder(text, findings);
    nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
    return builder.take();
}

std::string text_of(const JsonValue& value) {
    TextWriter writer;
    writer.write(value, 0);
    return writer.take() + "\n";
}

}  // namespace tenon::oci
