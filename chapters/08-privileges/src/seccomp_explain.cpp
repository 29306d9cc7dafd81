// A program of numbers, told in words. Which number is a system call, which an architecture, which
// half of an argument, is said by what was loaded before; on which architecture a call's number is
// to be read, by the comparison that led here. Jumps go forward only, so one pass from the top
// knows at each instruction what all ways to it have in common.
#include <fmt/format.h>
#include <linux/audit.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "tenon/error.hpp"
#include "tenon/seccomp_bpf.hpp"
#include "tenon/seccomp_program.hpp"
#include "tenon/seccomp_words.hpp"

namespace tenon::seccomp {

namespace {

// What all ways to an instruction agree on.
struct Known {
    std::optional<std::uint32_t> loaded;  // the offset that the accumulator was loaded from
    std::uint32_t mask = ~0U;             // what of it is left
    std::optional<std::uint32_t> arch;    // AUDIT_ARCH_*
    bool reached = false;
};

void meet(Known& at, const Known& from) {
    if (!at.reached) {
        at = from;
        at.reached = true;
        return;
    }
    if (at.loaded != from.loaded || at.mask != from.mask) at.loaded.reset();
    if (at.arch != from.arch) at.arch.reset();
}

// The accumulator in words.
std::string accumulator_text(const Known& known) {
    constexpr std::uint32_t first_argument = offsetof(seccomp_data, args);
    // Little endian: the low word comes first. Every machine that we run on is.
    const char* const half = known.loaded.value_or(0) % 8 == 0 ? "low" : "high";
    std::string text = "a";
    if (known.loaded == bpf::number_offset) {
        text = "call";
    } else if (known.loaded == bpf::arch_offset) {
        text = "arch";
    } else if (known.loaded && *known.loaded >= first_argument) {
        text = fmt::format("arg{}.{}", (*known.loaded - first_argument) / 8, half);
    } else if (known.loaded) {
        text = fmt::format("instruction_pointer.{}", half);
    }
    return known.mask == ~0U || !known.loaded ? text
                                              : fmt::format("({} & {:#x})", text, known.mask);
}

// A number that the accumulator is compared with.
std::string number_text(const Known& known, std::uint32_t number) {
    if (known.mask == ~0U && known.loaded == bpf::arch_offset) return arch_text(number);
    if (known.mask == ~0U && known.loaded == bpf::number_offset) {
        if (number == bpf::x32_bit) return "x32";
        const auto name = known.arch ? call_name(*known.arch, number) : std::nullopt;
        if (!name) return fmt::format("{:#x}", number);
        const bool x32 = (number & bpf::x32_bit) != 0;
        return fmt::format("{}({}{})", *name, x32 ? "x32+" : "", number & ~bpf::x32_bit);
    }
    return fmt::format("{:#x}", number);
}

struct Comparison {
    std::string_view holds;
    std::string_view fails;
};

Comparison comparison_of(const sock_filter& one) {
    switch (BPF_OP(one.code)) {
        case BPF_JEQ: return {"==", "!="};
        case BPF_JGT: return {">", "<="};
        default: return {">=", "<"};  // BPF_JGE
    }
}

// The condition of a jump, or its opposite.
std::string condition_text(const Known& known, const sock_filter& one, bool opposite) {
    const std::string left = accumulator_text(known);
    const std::string right = BPF_SRC(one.code) == BPF_X ? "x" : number_text(known, one.k);
    if (BPF_OP(one.code) == BPF_JSET) {
        return fmt::format("({} & {}) {} 0", left, right, opposite ? "==" : "!=");
    }
    const Comparison words = comparison_of(one);
    return fmt::format("{} {} {}", left, opposite ? words.fails : words.holds, right);
}

std::string jump_text(const Known& known, const sock_filter& one, std::size_t at) {
    const std::size_t yes = at + 1 + one.jt;
    const std::size_t no = at + 1 + one.jf;
    if (one.code == (BPF_JMP | BPF_JA)) return fmt::format("goto {}", at + 1 + one.k);
    if (one.jt == one.jf) return fmt::format("goto {}", yes);
    if (one.jf == 0) return fmt::format("if {} goto {}", condition_text(known, one, false), yes);
    if (one.jt == 0) return fmt::format("if {} goto {}", condition_text(known, one, true), no);
    return fmt::format("if {} goto {} else goto {}", condition_text(known, one, false), yes, no);
}

std::string arithmetic_text(const sock_filter& one) {
    constexpr std::array<std::string_view, 16> signs{"+",  "-",  "*",  "/", "|", "&",
                                                     "<<", ">>", "-a", "%", "^"};
    const std::string_view sign = signs.at(BPF_OP(one.code) >> 4);
    if (BPF_OP(one.code) == BPF_NEG) return "a = -a";
    return BPF_SRC(one.code) == BPF_X ? fmt::format("a = a {} x", sign)
                                      : fmt::format("a = a {} {:#x}", sign, one.k);
}

std::string move_text(const Known& after, const sock_filter& one) {
    switch (one.code) {
        case BPF_LD | BPF_W | BPF_ABS: return "load " + accumulator_text(after);
        case BPF_LD | BPF_W | BPF_LEN: return fmt::format("a = {}", sizeof(seccomp_data));
        case BPF_LDX | BPF_W | BPF_LEN: return fmt::format("x = {}", sizeof(seccomp_data));
        case BPF_LD | BPF_IMM: return fmt::format("a = {:#x}", one.k);
        case BPF_LDX | BPF_IMM: return fmt::format("x = {:#x}", one.k);
        case BPF_LD | BPF_MEM: return fmt::format("a = memory[{}]", one.k);
        case BPF_LDX | BPF_MEM: return fmt::format("x = memory[{}]", one.k);
        case BPF_ST: return fmt::format("memory[{}] = a", one.k);
        case BPF_STX: return fmt::format("memory[{}] = x", one.k);
        case BPF_MISC | BPF_TAX: return "x = a";
        default: return "a = x";
    }
}

bool changes_accumulator(const sock_filter& one) {
    if (BPF_CLASS(one.code) == BPF_LD || BPF_CLASS(one.code) == BPF_ALU) return true;
    return one.code == (BPF_MISC | BPF_TXA);
}

Known after(Known known, const sock_filter& one) {
    if (one.code == (BPF_LD | BPF_W | BPF_ABS)) {
        known.loaded = one.k;
        known.mask = ~0U;
    } else if (one.code == (BPF_ALU | BPF_AND | BPF_K)) {
        known.mask &= one.k;
    } else if (changes_accumulator(one)) {
        known.loaded.reset();
    }
    return known;
}

// Tells those who may come next what is known.
void spread(std::vector<Known>& ways, ProgramView program, std::size_t at) {
    const sock_filter& one = program[at];
    Known known = after(ways[at], one);
    if (BPF_CLASS(one.code) == BPF_RET) return;
    if (one.code == (BPF_JMP | BPF_JA)) return meet(ways[at + 1 + one.k], known);
    if (BPF_CLASS(one.code) != BPF_JMP) return meet(ways[at + 1], known);
    meet(ways[at + 1 + one.jf], known);
    const bool says_arch = known.loaded == bpf::arch_offset && known.mask == ~0U &&
                           one.code == (BPF_JMP | BPF_JEQ | BPF_K);
    if (says_arch) known.arch = one.k;
    meet(ways[at + 1 + one.jt], known);
}

std::string line_of(const Known& known, const sock_filter& one, std::size_t at) {
    if (one.code == (BPF_RET | BPF_A)) return "return a";
    switch (BPF_CLASS(one.code)) {
        case BPF_RET: return "return " + action_text(one.k);
        case BPF_JMP: return jump_text(known, one, at);
        case BPF_ALU: return arithmetic_text(one);
        default: return move_text(after(known, one), one);
    }
}

}  // namespace

std::string action_text(std::uint32_t returned) {
    const std::uint32_t data = returned & SECCOMP_RET_DATA;
    switch (returned & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_KILL_PROCESS: return "kill process";
        case SECCOMP_RET_KILL_THREAD: return "kill thread";
        case SECCOMP_RET_TRAP: return "trap";
        case SECCOMP_RET_ERRNO: return "errno " + errno_name(static_cast<int>(data));
        case SECCOMP_RET_USER_NOTIF: return "notify";
        case SECCOMP_RET_TRACE: return fmt::format("trace {}", data);
        case SECCOMP_RET_LOG: return "log";
        case SECCOMP_RET_ALLOW: return "allow";
        // What the kernel does with a value that it does not know. seccomp(2)
        default: return fmt::format("kill process ({:#x})", returned);
    }
}

std::string arch_text(std::uint32_t audit_arch) {
    constexpr std::array names{"x86_64",      "x86",    "aarch64",  "arm",        "riscv64",
                               "ppc64le",     "ppc64",  "ppc",      "s390x",      "s390",
                               "mips",        "mipsel", "mips64",   "mipsel64",   "mips64n32",
                               "mipsel64n32", "parisc", "parisc64", "loongarch64"};
    for (const char* name : names) {
        if (::seccomp_arch_resolve_name(name) == audit_arch) return name;
    }
    return fmt::format("arch {:#x}", audit_arch);
}

std::string explain(ProgramView program) {
    const std::string fault = fault_in(program);
    if (!fault.empty()) throw std::invalid_argument("not a seccomp program: " + fault);
    std::vector<Known> ways(program.size());
    ways[0].reached = true;
    std::string text;
    for (std::size_t at = 0; at < program.size(); ++at) {
        // What nothing leads to is never run: the kernel takes it, and so do we.
        if (ways[at].reached) spread(ways, program, at);
        text += fmt::format("{:>5}  {}\n", at, line_of(ways[at], program[at], at));
    }
    return text;
}

}  // namespace tenon::seccomp
