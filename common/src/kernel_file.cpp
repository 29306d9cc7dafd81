// The kernel judges each write(2) to such a file by itself: never split a value.
#include "tenon/kernel_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

std::string read_to_end(FdRef file, std::string_view path) {
    std::string content;
    std::array<char, 4096> chunk{};
    while (true) {
        const long got = check(::read(file.number(), chunk.data(), chunk.size()), "read", path);
        if (got == 0) return content;
        content.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

// That it is missing is an answer here, and an exception costs more than all the calls around it.
// The trace tells of the call that fails. Invalid: it is missing.
UniqueFd open_if_present(FdRef directory, sys::CString path) {
    if (trace::enabled()) return sys::openat(directory, path, O_RDONLY);
    const int file = ::openat(directory.number(), path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) return {};
    return UniqueFd{static_cast<int>(check(file, "openat", path.view()))};
}

}  // namespace

std::string read_kernel_file(FdRef directory, sys::CString path) {
    const UniqueFd file = sys::openat(directory, path, O_RDONLY);
    return read_to_end(file, path.view());
}

std::optional<std::string> read_kernel_file_if_present(FdRef directory, sys::CString path) {
    try {
        const UniqueFd file = open_if_present(directory, path);
        if (!file.valid()) return std::nullopt;
        return read_to_end(file, path.view());
    } catch (const SysError& e) {
        if (e.error() == ENOENT) return std::nullopt;
        throw;
    }
}

void write_kernel_file(FdRef directory, sys::CString path, std::string_view value) {
    const UniqueFd file = sys::openat(directory, path, O_WRONLY);
    sys::write_once(file, value, fmt::format("{} <- {}", path.view(), value));
}

}  // namespace tenon
