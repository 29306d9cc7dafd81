// The file may be a container's, and so anything: only procfs is believed.
#include "tenon/own_status.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "tenon/syscalls.hpp"

namespace tenon {

std::optional<std::uint64_t> own_status_set(std::string_view field) {
    const UniqueFd file{::open("/proc/self/status", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    if (!file.valid() || sys::file_system_type(file) != PROC_SUPER_MAGIC) return std::nullopt;
    std::array<char, 8192> buffer{};
    const long length = ::read(file.ref().number(), buffer.data(), buffer.size());
    const std::string_view text{buffer.data(), static_cast<std::size_t>(std::max(length, 0L))};
    const std::string label = "\n" + std::string{field} + ":\t";
    const std::size_t at = text.find(label);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view digits = text.substr(at + label.size());
    std::uint64_t set = 0;
    constexpr int hexadecimal = 16;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), set, hexadecimal);
    if (error != std::errc{} || end == digits.data() + digits.size()) return std::nullopt;
    return set;
}

}  // namespace tenon
