// The three forms in which cgroupfs writes numbers: one value, `key value` lines, and lines of
// `key=value`. cgroup-v2.rst, "Conventions"
#include <fmt/format.h>

#include <cerrno>
#include <sstream>
#include <stdexcept>

#include "numbers.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"

namespace tenon {

namespace {

std::string_view trimmed(std::string_view text) {
    while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

void read_io_word(std::string_view word, IoStats& stats) {
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) return;
    const std::string_view key = word.substr(0, equals);
    const std::uint64_t value = whole_number(word.substr(equals + 1)).value_or(0);
    if (key == "rbytes") stats.read_bytes = value;
    if (key == "wbytes") stats.write_bytes = value;
    if (key == "rios") stats.read_operations = value;
    if (key == "wios") stats.write_operations = value;
}

void read_pressure_word(std::string_view word, double& avg10, std::chrono::microseconds& total) {
    if (word.starts_with("avg10="))
        avg10 = std::strtod(std::string{word.substr(6)}.c_str(), nullptr);
    if (word.starts_with("total=")) {
        total = std::chrono::microseconds{whole_number(word.substr(6)).value_or(0)};
    }
}

}  // namespace

std::uint64_t parse_kernel_value(std::string_view text) {
    if (trimmed(text) == "max") return no_limit;
    const std::optional<std::uint64_t> value = whole_number(trimmed(text));
    if (!value) throw std::runtime_error(fmt::format("'{}' is neither a number nor max", text));
    return *value;
}

std::map<std::string, std::uint64_t, std::less<>> parse_flat_keyed(std::string_view text) {
    std::map<std::string, std::uint64_t, std::less<>> values;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line);) {
        const auto blank = line.find(' ');
        if (blank == std::string::npos) continue;
        const auto value = whole_number(std::string_view{line}.substr(blank + 1));
        if (value) values.emplace(line.substr(0, blank), *value);
    }
    return values;
}

std::map<BlockDevice, IoStats> parse_io_stat(std::string_view text) {
    std::map<BlockDevice, IoStats> devices;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string word;
        words >> word;
        const std::optional<BlockDevice> device = parse_device_number(word);
        if (!device) continue;
        IoStats& stats = devices[*device];
        while (words >> word) read_io_word(word, stats);
    }
    return devices;
}

Pressure parse_pressure(std::string_view text) {
    Pressure pressure;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string kind;
        words >> kind;
        const bool some = kind == "some";
        for (std::string word; words >> word;) {
            read_pressure_word(word, some ? pressure.some_avg10 : pressure.full_avg10,
                               some ? pressure.some : pressure.full);
        }
    }
    return pressure;
}

std::optional<Pressure> read_pressure(FdRef group, const char* file) {
    try {
        return parse_pressure(read_kernel_file(group, file));
    } catch (const SysError& error) {
        // EOPNOTSUPP: switched off for this group (cgroup.pressure) or at boot (psi=0).
        if (error.error() == ENOENT || error.error() == EOPNOTSUPP) return std::nullopt;
        throw;
    }
}

}  // namespace tenon
