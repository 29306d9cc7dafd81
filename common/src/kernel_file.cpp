// The kernel judges each write(2) to such a file by itself: never split a value.
#include "tenon/kernel_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

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

}  // namespace

std::string read_kernel_file(FdRef directory, sys::CString path) {
    const UniqueFd file = sys::openat(directory, path, O_RDONLY);
    return read_to_end(file, path.view());
}

std::optional<std::string> read_kernel_file_if_present(FdRef directory, sys::CString path) {
    try {
        return read_kernel_file(directory, path);
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
