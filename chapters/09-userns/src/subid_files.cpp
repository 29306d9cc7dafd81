// The files around the ranges: numbers, owners, and reading what an administrator, or nobody,
// wrote. newuidmap(1) passes over a line that it does not understand; so do we, but we say so.
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include "subid_lines.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon {

namespace {

constexpr std::size_t largest_file = std::size_t{16} << 20;
constexpr const char* passwd_file = "/etc/passwd";

std::string read_limited(FdRef file, sys::CString path) {
    std::string content;
    std::array<std::byte, 4096> chunk{};
    while (true) {
        const std::size_t got = sys::read(file, chunk, path.view());
        if (got == 0) return content;
        content.append(reinterpret_cast<const char*>(chunk.data()), got);
        if (content.size() > largest_file) {
            throw std::runtime_error(fmt::format("{}: larger than 16 MiB", path.view()));
        }
    }
}

std::optional<std::string> read_if_present(sys::CString path) {
    try {
        return read_limited(sys::openat(FdRef::working_directory(), path, O_RDONLY), path);
    } catch (const SysError& error) {
        if (error.error() == ENOENT) return std::nullopt;
        throw;
    }
}

// name:password:uid:... passwd(5)
struct PasswdLine {
    std::string_view name;
    std::optional<std::uint64_t> uid;
};

PasswdLine parse_passwd_line(std::string_view line) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 3 || fields[0].empty()) return {};
    return {fields[0], parse_id_number(fields[2])};
}

std::optional<SubidOwner> look_up(std::string_view passwd, std::string_view name) {
    for (const std::string_view line : split(passwd, '\n')) {
        const PasswdLine row = parse_passwd_line(line);
        if (row.name.empty() || row.name != name || !row.uid || *row.uid >= most_ids) continue;
        return SubidOwner{std::string{name}, static_cast<std::uint32_t>(*row.uid)};
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<std::uint64_t> parse_id_number(std::string_view text) {
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Subids read_subids(sys::CString path, const SubidOwner& owner) {
    const std::optional<std::string> text = read_if_present(path);
    if (!text) return {};
    Subids found = parse_subids(*text, owner);
    for (std::string& problem : found.problems) {
        problem = fmt::format("{}, {}", path.view(), problem);
    }
    return found;
}

SubidOwner find_owner(std::uint32_t uid) {
    const std::string passwd = read_if_present(passwd_file).value_or("");
    for (const std::string_view line : split(passwd, '\n')) {
        const PasswdLine row = parse_passwd_line(line);
        if (!row.name.empty() && row.uid == uid) return {std::string{row.name}, uid};
    }
    return {{}, uid};
}

SubidOwner find_owner(std::string_view text) {
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
        const std::optional<std::uint64_t> uid = parse_id_number(text);
        if (uid && *uid < most_ids) return find_owner(static_cast<std::uint32_t>(*uid));
        throw std::invalid_argument(fmt::format("'{}' is no uid: at most {}", text, most_ids - 1));
    }
    if (auto owner = look_up(read_if_present(passwd_file).value_or(""), text)) return *owner;
    return {std::string{text}, no_uid};
}

}  // namespace tenon
