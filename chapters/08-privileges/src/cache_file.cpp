// Written and read back in one place, so that the two forms cannot drift apart.
#include "cache_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <span>

#include "tenon/digest.hpp"
#include "tenon/log.hpp"

namespace tenon::seccomp {

namespace {

constexpr std::size_t hex_digits = 64;

// With its length before it: so no text can pass for two, or for a number.
void add(std::string& all, std::string_view text) {
    all += fmt::format("{}:", text.size());
    all += text;
}
void add(std::string& all, std::uint64_t number) {
    all += fmt::format("{};", number);
}
void add(std::string& all, const std::vector<std::string>& texts) {
    add(all, texts.size());
    for (const std::string& text : texts) add(all, text);
}
template <typename Number>
void add(std::string& all, const std::optional<Number>& number) {
    add(all, std::uint64_t{number.has_value()});
    if (number) add(all, static_cast<std::uint64_t>(*number));
}

void add(std::string& all, const oci::SeccompSyscall& rule) {
    add(all, rule.names);
    add(all, rule.action);
    add(all, rule.errno_ret);
    add(all, rule.args.size());
    for (const oci::SeccompArg& arg : rule.args) {
        add(all, std::uint64_t{arg.index});
        add(all, std::uint64_t{arg.value});
        add(all, arg.value_two);
        add(all, arg.op);
    }
}

// Up to the next newline, which is taken along; nothing when there is none.
std::optional<std::string_view> next_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

// The numbers of a line, which are as many as there are targets.
bool read_numbers(std::string_view line, std::initializer_list<std::uint64_t*> targets) {
    for (std::uint64_t* const target : targets) {
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), *target);
        if (error != std::errc{}) return false;
        line.remove_prefix(static_cast<std::size_t>(end - line.data()));
        if (line.starts_with(' ')) line.remove_prefix(1);
    }
    return line.empty();
}

bool read_head(std::string_view& text, Filter& filter, std::uint64_t& instructions) {
    const auto format = next_line(text);
    const auto numbers = next_line(text);
    std::uint64_t flags = 0;
    std::uint64_t listener = 0;
    if (format != cache_format || !numbers) return false;
    if (!read_numbers(*numbers, {&flags, &listener, &instructions})) return false;
    filter.flags = static_cast<unsigned>(flags);
    filter.wants_listener = listener != 0;
    return true;
}

bool read_warnings(std::string_view& text, Filter& filter) {
    while (const auto line = next_line(text)) {
        if (line->empty()) return true;
        filter.warnings.emplace_back(*line);
    }
    return false;
}

}  // namespace

std::string canonical(const oci::Seccomp& policy) {
    std::string all;
    add(all, policy.default_action);
    add(all, policy.default_errno_ret);
    add(all, policy.architectures);
    add(all, policy.flags);
    for (const oci::SeccompSyscall& rule : policy.syscalls) add(all, rule);
    return all;
}

std::string file_text(const Filter& filter) {
    std::string body = fmt::format("{}\n{} {} {}\n", cache_format, filter.flags,
                                   filter.wants_listener ? 1 : 0, filter.program.size());
    for (const std::string& warning : filter.warnings) body += printable(warning) + "\n";
    body += "\n";
    const auto bytes = std::as_bytes(std::span{filter.program});
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return sha256(body).hex + body;
}

std::optional<Filter> filter_from(std::string_view text) {
    if (text.size() < hex_digits) return std::nullopt;
    const std::string_view hash = text.substr(0, hex_digits);
    text.remove_prefix(hex_digits);
    if (sha256(text).hex != hash) return std::nullopt;
    Filter filter;
    std::uint64_t instructions = 0;
    if (!read_head(text, filter, instructions) || !read_warnings(text, filter)) return std::nullopt;
    const bool whole =
        instructions <= longest_program && text.size() == instructions * sizeof(sock_filter);
    if (!whole) return std::nullopt;
    if (instructions == 0) return std::nullopt;
    filter.program.resize(instructions);
    std::memcpy(filter.program.data(), text.data(), text.size());
    if (!fault_in(filter.program).empty()) return std::nullopt;
    return filter;
}

}  // namespace tenon::seccomp
