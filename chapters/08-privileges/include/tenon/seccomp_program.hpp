/// @file
/// Chapter 08: a seccomp filter as the kernel runs it, a program of classic BPF.
///
/// The kernel runs it before each system call, on 64 bytes: number, architecture, instruction
/// pointer and the six arguments (struct seccomp_data). It can load a word of them, compare, jump
/// forward, and return one number: what is to happen. No loops, no memory of earlier calls, no
/// looking through pointers. Here it can be run without a kernel, and read.
/// @see \man{seccomp,2}; Linux' Documentation/userspace-api/seccomp_filter.rst
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tenon::seccomp {

/// Instructions, the first one first.
using Program = std::vector<sock_filter>;
/// A loan of them.
using ProgramView = std::span<const sock_filter>;

/// As many as one filter may have. @see \man{seccomp,2}, EINVAL
inline constexpr std::size_t longest_program = BPF_MAXINSNS;

/// Why the kernel would not take @p program: too long, a jump out of it, an end without RET, a
/// load beyond struct seccomp_data, memory that is read before it is written, an instruction that
/// seccomp does not have. Empty: it would.
std::string fault_in(ProgramView program);

/// What @p program returns for @p call: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM ...
/// @throws std::invalid_argument  it comes to an instruction that the kernel would not take
std::uint32_t evaluate(ProgramView program, const seccomp_data& call);
/// How many instructions that takes. @throws as evaluate()
std::size_t steps_of(ProgramView program, const seccomp_data& call);

/// `allow`, `errno EPERM`, `trace 1`, `kill process`: a returned value in words.
std::string action_text(std::uint32_t returned);
/// `x86_64`, `x86`, `aarch64`; `arch 0x...` for one that nobody knows here.
/// @param audit_arch  AUDIT_ARCH_*
std::string arch_text(std::uint32_t audit_arch);

/// @p program as pseudo-code: a line for each instruction, with labels where something jumps to,
/// with the names of system calls, architectures and actions where it is known that a number is
/// one. @throws std::invalid_argument  fault_in(program) is not empty
std::string explain(ProgramView program);

}  // namespace tenon::seccomp
