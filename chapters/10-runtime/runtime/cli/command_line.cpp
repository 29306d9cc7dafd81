#include "command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

namespace tenon::cli {

namespace {

struct Word {
    std::string_view name;   // without dashes
    std::string_view value;  // after `=`
    bool has_value;
};

Word split(std::string_view word) {
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const std::size_t sign = word.find('=');
    if (sign == std::string_view::npos) return {word, {}, false};
    return {word.substr(0, sign), word.substr(sign + 1), true};
}

std::string spelled(const Option& row) {
    std::string words = fmt::format("--{}", row.name);
    if (row.letter != 0) words += fmt::format(", -{}", row.letter);
    if (!row.value.empty()) words += fmt::format(" {}", row.value);
    return words;
}

const Option& find(std::span<const Option> table, const Word& word, std::string_view whole) {
    const auto matches = [&](const Option& row) {
        return row.name == word.name ||
               (row.letter != 0 && word.name == std::string_view{&row.letter, 1});
    };
    const auto found = std::find_if(table.begin(), table.end(), matches);
    if (found != table.end()) return *found;
    if (word.name == "help" || word.name == "h") {
        const std::array help{Option{"help", 'h', {}, "this text", {}}};
        throw HelpAsked(lines_of(table) + lines_of(help));
    }
    throw UsageError(fmt::format("unknown option {}", whole));
}

bool is_option(std::string_view word) {
    return word.size() > 1 && word.front() == '-';
}

// How many words an option and its value are.
std::size_t take(std::span<const std::string> words, std::span<const Option> table) {
    const Word word = split(words.front());
    const Option& option = find(table, word, words.front());
    if (option.value.empty()) {
        option.take(word.has_value ? word.value : "true");
        return 1;
    }
    if (word.has_value) {
        option.take(word.value);
        return 1;
    }
    // In the words that podman looks for to learn whether there is such an option.
    if (words.size() < 2)
        throw UsageError(fmt::format("flag needs an argument: {}", words.front()));
    option.take(words[1]);
    return 2;
}

}  // namespace

Option flag(std::string_view name, bool& field, std::string_view what, char letter) {
    return {name, letter, {}, what, [&field](std::string_view value) { field = value != "false"; }};
}

Option text(std::string_view name, std::string& field, std::string_view value,
            std::string_view what, char letter) {
    return {name, letter, value, what, [&field](std::string_view given) { field = given; }};
}

Option texts(std::string_view name, std::vector<std::string>& field, std::string_view value,
             std::string_view what, char letter) {
    return {name, letter, value, what,
            [&field](std::string_view given) { field.emplace_back(given); }};
}

Option number(std::string_view name, unsigned& field, std::string_view what) {
    return {name, 0, "N", what, [name, &field](std::string_view value) {
                const long parsed = parse_number(name, value);
                if (parsed < 0 || parsed > 1'000'000) {
                    throw UsageError(fmt::format("--{} {}: out of range", name, value));
                }
                field = static_cast<unsigned>(parsed);
            }};
}

Option ignored(std::string_view name, std::string_view value) {
    return {name, 0, value, "without effect: other runtimes have it", [](std::string_view) {}};
}

std::string lines_of(std::span<const Option> table) {
    std::string lines;
    for (const Option& row : table) lines += fmt::format("   {:<32} {}\n", spelled(row), row.what);
    return lines;
}

std::vector<std::string> take_options(std::span<const std::string> words,
                                      std::span<const Option> table, Where where) {
    const std::size_t most = where == Where::BeforeFirstWord ? 1 : 2;
    std::vector<std::string> rest;
    while (!words.empty()) {
        const bool over = where != Where::Anywhere && rest.size() == most;
        const bool mark = words.front() == "--";
        if (over || mark) {
            words = words.subspan(mark ? 1 : 0);
            rest.insert(rest.end(), words.begin(), words.end());
            break;
        }
        if (is_option(words.front())) {
            words = words.subspan(take(words, table));
            continue;
        }
        rest.push_back(words.front());
        words = words.subspan(1);
    }
    return rest;
}

std::string only_id(std::string_view verb, const std::vector<std::string>& rest) {
    if (rest.size() == 1) return rest.front();
    throw UsageError(fmt::format("\"{}\" requires exactly 1 argument: the container's id", verb));
}

std::string absolute_path(const std::string& path) {
    std::string plain = std::filesystem::absolute(path).lexically_normal().native();
    if (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
    return plain;
}

long parse_number(std::string_view name, std::string_view text) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size()) return value;
    throw UsageError(fmt::format("--{} '{}': not a whole number", name, text));
}

}  // namespace tenon::cli
