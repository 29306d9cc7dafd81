// config.json is somebody else's file: a link in its place would make us read another, a FIFO would
// make us wait forever, a device could do anything. So it is opened without links and without
// waiting, and looked at before it is read. openat2(2), RESOLVE_NO_SYMLINKS; fifo(7)
#include "spec_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::oci {

std::string read_document(FdRef file, const std::string& name) {
    std::string text;
    std::array<std::byte, 16384> buffer{};
    while (const std::size_t size = sys::read(file, buffer, name)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), size);
        if (text.size() <= largest_config) continue;
        throw std::invalid_argument(fmt::format("{}: more than {} bytes", name, largest_config));
    }
    return text;
}

namespace {

UniqueFd open_config(FdRef bundle) {
    try {
        return sys::openat2(bundle, config_name, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                            RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
    } catch (const SysError& error) {
        if (error.error() == ENOSYS) throw;  // a kernel without openat2: that is to be told
        throw SysError(error.error(), "open config.json");
    }
}

// `pointer` is `other`, or lies in it.
bool is_within(std::string_view pointer, std::string_view other) {
    return pointer.starts_with(other) &&
           (pointer.size() == other.size() || pointer[other.size()] == '/');
}

// What could not be read has no value to be judged: one mistake would be told twice.
void add_judgement(std::vector<Violation>& violations, std::vector<Violation> judgement) {
    const std::size_t read = violations.size();
    const auto is_told = [&](const Violation& found) {
        return std::any_of(violations.begin(), violations.begin() + static_cast<long>(read),
                           [&](const Violation& told) {
                               return is_within(found.pointer, told.pointer) ||
                                      is_within(told.pointer, found.pointer);
                           });
    };
    for (Violation& found : judgement) {
        if (!is_told(found)) violations.push_back(std::move(found));
    }
}

}  // namespace

UniqueFd open_bundle_folder(const std::string& path) {
    try {
        return sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
    } catch (const SysError& error) {
        throw SysError(error.error(), "open bundle", path);
    }
}

ParsedSpec read_spec(std::string_view text, const std::string& name) {
    try {
        return parse_spec(text);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(fmt::format("{}: {}", name, error.what()));
    }
}

ParsedSpec judge_document(std::string_view text, const std::string& name) {
    ParsedSpec parsed = read_spec(text, name);
    add_judgement(parsed.violations, validate(parsed.spec));
    return parsed;
}

std::string read_config(FdRef bundle) {
    const UniqueFd file = open_config(bundle);
    if (!S_ISREG(sys::fstat(file).st_mode)) {
        throw std::invalid_argument(fmt::format("{}: not a regular file", config_name));
    }
    return read_document(file, config_name);
}

Spec spec_from(std::string_view config) {
    ParsedSpec parsed = judge_document(config, config_name);
    if (!parsed.violations.empty()) throw InvalidSpec(std::move(parsed.violations));
    return std::move(parsed.spec);
}

Spec load_spec(FdRef bundle) {
    return spec_from(read_config(bundle));
}

}  // namespace tenon::oci
