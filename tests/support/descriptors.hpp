// What the kernel says about this process's descriptors.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>

#include "tenon/fd.hpp"

namespace tenon::test {

inline bool is_open(int number) {
    return ::fcntl(number, F_GETFD) >= 0;
}

// False for one that is not open, too.
inline bool is_cloexec(int number) {
    const int flags = ::fcntl(number, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) != 0;
}
inline bool is_cloexec(FdRef fd) {
    return is_cloexec(fd.number());
}

// The numbers in /proc/self/fd, without that of the directory itself.
inline std::set<int> open_descriptors() {
    std::set<int> numbers;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        numbers.insert(std::stoi(entry.path().filename().string()));
    }
    std::erase_if(numbers, [](int number) { return !is_open(number); });
    return numbers;
}

struct Ends {
    UniqueFd first;
    UniqueFd second;
};

// first reads what is written to second.
inline Ends make_test_pipe(int flags = 0) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | flags) != 0) throw std::runtime_error("pipe2");
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

}  // namespace tenon::test
