/// @file
/// Chapter 08: instructions of classic BPF by name, as far as we write some ourselves.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>

namespace tenon::seccomp::bpf {

inline constexpr std::uint32_t number_offset = offsetof(seccomp_data, nr);
inline constexpr std::uint32_t arch_offset = offsetof(seccomp_data, arch);

/// x32 shares the architecture with x86_64, and marks its calls by this bit. syscall(2)
inline constexpr std::uint32_t x32_bit = 0x40000000;

/// The word at @p offset of struct seccomp_data, into the accumulator.
constexpr sock_filter load(std::uint32_t offset) {
    return {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset};
}
/// Skips @p yes instructions when the accumulator compares so to @p value, else @p no.
/// @param test  BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET
constexpr sock_filter jump_if(std::uint16_t test, std::uint32_t value, std::uint8_t yes,
                              std::uint8_t no) {
    return {static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), yes, no, value};
}
/// The bits @p mask of the accumulator.
constexpr sock_filter keep_bits(std::uint32_t mask) {
    return {BPF_ALU | BPF_AND | BPF_K, 0, 0, mask};
}
/// Skips @p skip instructions: the one jump that is not limited to 255.
constexpr sock_filter jump(std::uint32_t skip) {
    return {BPF_JMP | BPF_JA, 0, 0, skip};
}
/// Ends the program. @param action  SECCOMP_RET_*, with its data
constexpr sock_filter give_back(std::uint32_t action) {
    return {BPF_RET | BPF_K, 0, 0, action};
}

}  // namespace tenon::seccomp::bpf
