// Written and read back in one place, so that the two forms cannot drift apart.
#include "cache_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "tenon/digest.hpp"
#include "tenon/log.hpp"

namespace tenon::seccomp {

namespace {

using Json = nlohmann::json;

constexpr std::size_t hex_digits = 64;

Json json_of(const std::optional<std::uint64_t>& value) {
    return value ? Json(*value) : Json();
}

Json json_of(const oci::SeccompSyscall& rule) {
    Json args = Json::array();
    for (const oci::SeccompArg& arg : rule.args) {
        args.push_back({arg.index, arg.value, json_of(arg.value_two), arg.op});
    }
    return {rule.names, rule.action, json_of(rule.errno_ret), args};
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
    Json rules = Json::array();
    for (const oci::SeccompSyscall& rule : policy.syscalls) rules.push_back(json_of(rule));
    const Json all = {policy.default_action, json_of(policy.default_errno_ret),
                      policy.architectures, policy.flags, rules};
    // Names are what a file says: bytes that are not UTF-8 must not throw here.
    return all.dump(-1, ' ', true, Json::error_handler_t::replace);
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
