// The kernel's check of a filter, and its machine: an accumulator, an index register, sixteen words
// of scratch memory. Both after Linux' net/core/filter.c and kernel/seccomp.c; what is allowed
// there is allowed here, and nothing else.
#include "tenon/seccomp_program.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace tenon::seccomp {

namespace {

constexpr unsigned class_of(const sock_filter& one) {
    return BPF_CLASS(one.code);
}

bool is_arithmetic(unsigned code) {
    switch (BPF_OP(code)) {
        case BPF_ADD:
        case BPF_SUB:
        case BPF_MUL:
        case BPF_DIV:
        case BPF_OR:
        case BPF_AND:
        case BPF_XOR:
        case BPF_LSH:
        case BPF_RSH: return (code & ~(BPF_ALU | BPF_OP(code) | BPF_X)) == 0;
        case BPF_NEG: return code == (BPF_ALU | BPF_NEG);
        default: return false;
    }
}

bool is_test(unsigned code) {
    switch (BPF_OP(code)) {
        case BPF_JEQ:
        case BPF_JGE:
        case BPF_JGT:
        case BPF_JSET: return (code & ~(BPF_JMP | BPF_OP(code) | BPF_X)) == 0;
        default: return false;
    }
}

bool is_move(unsigned code) {
    switch (code) {
        case BPF_LD | BPF_W | BPF_ABS:
        case BPF_LD | BPF_W | BPF_LEN:
        case BPF_LDX | BPF_W | BPF_LEN:
        case BPF_LD | BPF_IMM:
        case BPF_LDX | BPF_IMM:
        case BPF_LD | BPF_MEM:
        case BPF_LDX | BPF_MEM:
        case BPF_ST:
        case BPF_STX:
        case BPF_MISC | BPF_TAX:
        case BPF_MISC | BPF_TXA: return true;
        default: return false;
    }
}

bool is_return(unsigned code) {
    return code == (BPF_RET | BPF_K) || code == (BPF_RET | BPF_A);
}

bool is_known(unsigned code) {
    if (BPF_CLASS(code) == BPF_ALU) return is_arithmetic(code);
    if (BPF_CLASS(code) == BPF_JMP) return code == (BPF_JMP | BPF_JA) || is_test(code);
    return is_return(code) || is_move(code);
}

bool uses_memory(unsigned code) {
    return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM) || code == BPF_ST ||
           code == BPF_STX;
}

// What is wrong with the operand of `one`; empty: nothing.
std::string_view operand_fault(const sock_filter& one) {
    if (one.code == (BPF_LD | BPF_W | BPF_ABS)) {
        const bool inside = one.k < sizeof(seccomp_data) && one.k % 4 == 0;
        return inside ? "" : "loads what is no word of struct seccomp_data";
    }
    if (uses_memory(one.code)) return one.k < BPF_MEMWORDS ? "" : "has no such memory word";
    if (one.code == (BPF_ALU | BPF_DIV | BPF_K)) return one.k != 0 ? "" : "divides by 0";
    const bool shifts =
        one.code == (BPF_ALU | BPF_LSH | BPF_K) || one.code == (BPF_ALU | BPF_RSH | BPF_K);
    return shifts && one.k >= 32 ? "shifts by more than a word" : "";
}

// Whether each way on from instruction `at` stays inside.
bool goes_on_inside(ProgramView program, std::size_t at) {
    const sock_filter& one = program[at];
    const std::size_t left = program.size() - at - 1;
    if (class_of(one) == BPF_RET) return true;
    if (one.code == (BPF_JMP | BPF_JA)) return one.k < left;
    if (class_of(one) == BPF_JMP) return one.jt < left && one.jf < left;
    return left > 0;
}

// Which memory words have been stored to on every way to an instruction. The kernel refuses a
// program that reads another: it would see what its stack held before.
class StoredWords {
  public:
    explicit StoredWords(std::size_t instructions) : on_arrival_(instructions, every) {
        on_arrival_[0] = 0;
    }
    // Passes over instruction `at`; false when it reads a word that is not stored.
    bool pass(ProgramView program, std::size_t at) {
        const sock_filter& one = program[at];
        unsigned stored = on_arrival_[at];
        const unsigned word = 1U << (one.k % BPF_MEMWORDS);
        const bool reads = uses_memory(one.code) && one.code != BPF_ST && one.code != BPF_STX;
        if (reads && (stored & word) == 0) return false;
        if (one.code == BPF_ST || one.code == BPF_STX) stored |= word;
        if (one.code == (BPF_JMP | BPF_JA)) {
            on_arrival_[at + 1 + one.k] &= stored;
        } else if (class_of(one) == BPF_JMP) {
            on_arrival_[at + 1 + one.jt] &= stored;
            on_arrival_[at + 1 + one.jf] &= stored;
        } else if (at + 1 < on_arrival_.size()) {
            // After a return, too: there the kernel's check is stricter than it had to be.
            on_arrival_[at + 1] &= stored;
        }
        return true;
    }

  private:
    static constexpr unsigned every = 0xffff;
    std::vector<unsigned> on_arrival_;
};

// The machine, between two instructions.
struct Machine {
    std::uint32_t accumulator = 0;
    std::uint32_t index = 0;
    std::array<std::uint32_t, BPF_MEMWORDS> memory{};
};

std::uint32_t word_of(const seccomp_data& call, std::uint32_t offset) {
    std::uint32_t word = 0;
    std::memcpy(&word, reinterpret_cast<const char*>(&call) + offset, sizeof word);
    return word;
}

// Shifting by 32 and more is undefined in C++; the kernel takes the low five bits.
std::uint32_t computed(unsigned operation, std::uint32_t a, std::uint32_t b) {
    switch (operation) {
        case BPF_ADD: return a + b;
        case BPF_SUB: return a - b;
        case BPF_MUL: return a * b;
        case BPF_DIV: return a / b;
        case BPF_OR: return a | b;
        case BPF_AND: return a & b;
        case BPF_XOR: return a ^ b;
        case BPF_LSH: return a << (b & 31U);
        case BPF_RSH: return a >> (b & 31U);
        default: return 0U - a;  // BPF_NEG
    }
}

bool holds(unsigned test, std::uint32_t a, std::uint32_t b) {
    switch (test) {
        case BPF_JEQ: return a == b;
        case BPF_JGT: return a > b;
        case BPF_JGE: return a >= b;
        default: return (a & b) != 0;  // BPF_JSET
    }
}

void move(Machine& machine, const sock_filter& one, const seccomp_data& call) {
    switch (one.code) {
        case BPF_LD | BPF_W | BPF_ABS: machine.accumulator = word_of(call, one.k); break;
        case BPF_LD | BPF_W | BPF_LEN: machine.accumulator = sizeof(seccomp_data); break;
        case BPF_LDX | BPF_W | BPF_LEN: machine.index = sizeof(seccomp_data); break;
        case BPF_LD | BPF_IMM: machine.accumulator = one.k; break;
        case BPF_LDX | BPF_IMM: machine.index = one.k; break;
        case BPF_LD | BPF_MEM: machine.accumulator = machine.memory[one.k]; break;
        case BPF_LDX | BPF_MEM: machine.index = machine.memory[one.k]; break;
        case BPF_ST: machine.memory[one.k] = machine.accumulator; break;
        case BPF_STX: machine.memory[one.k] = machine.index; break;
        case BPF_MISC | BPF_TAX: machine.index = machine.accumulator; break;
        default: machine.accumulator = machine.index; break;  // BPF_MISC | BPF_TXA
    }
}

struct Outcome {
    std::uint32_t returned = 0;
    std::size_t steps = 0;
};

// Why instruction `at` cannot be run; empty: it can.
std::string fault_at(ProgramView program, std::size_t at) {
    const sock_filter& one = program[at];
    if (!is_known(one.code)) return fmt::format("instruction {} is unknown", at);
    const std::string_view fault = operand_fault(one);
    if (!fault.empty()) return fmt::format("instruction {} {}", at, fault);
    if (!goes_on_inside(program, at)) return fmt::format("instruction {} leads out of it", at);
    return {};
}

// Ends: every jump is forward, and no way leads past the last instruction.
Outcome run(ProgramView program, const seccomp_data& call) {
    if (program.empty()) throw std::invalid_argument("not a seccomp program: it is empty");
    Machine machine;
    std::size_t steps = 1;
    for (std::size_t at = 0;; ++at, ++steps) {
        const std::string fault = fault_at(program, at);
        if (!fault.empty()) throw std::invalid_argument("not a seccomp program: " + fault);
        const sock_filter& one = program[at];
        const std::uint32_t operand = BPF_SRC(one.code) == BPF_X ? machine.index : one.k;
        if (class_of(one) == BPF_RET) {
            return {one.code == (BPF_RET | BPF_A) ? machine.accumulator : one.k, steps};
        }
        if (one.code == (BPF_JMP | BPF_JA)) {
            at += one.k;
        } else if (class_of(one) == BPF_JMP) {
            at += holds(BPF_OP(one.code), machine.accumulator, operand) ? one.jt : one.jf;
        } else if (class_of(one) == BPF_ALU) {
            // A division by an index of 0 returns 0 from the program. bpf(2), classic
            if (one.code == (BPF_ALU | BPF_DIV | BPF_X) && operand == 0) return {0, steps};
            machine.accumulator = computed(BPF_OP(one.code), machine.accumulator, operand);
        } else {
            move(machine, one, call);
        }
    }
}

}  // namespace

std::string fault_in(ProgramView program) {
    if (program.empty()) return "it is empty";
    if (program.size() > longest_program) {
        return fmt::format("it has {} instructions, and {} is the most", program.size(),
                           longest_program);
    }
    for (std::size_t at = 0; at < program.size(); ++at) {
        std::string fault = fault_at(program, at);
        if (!fault.empty()) return fault;
    }
    StoredWords stored(program.size());
    for (std::size_t at = 0; at < program.size(); ++at) {
        if (!stored.pass(program, at)) {
            return fmt::format("instruction {} reads memory that nothing was stored to", at);
        }
    }
    return {};
}

std::uint32_t evaluate(ProgramView program, const seccomp_data& call) {
    return run(program, call).returned;
}

std::size_t steps_of(ProgramView program, const seccomp_data& call) {
    return run(program, call).steps;
}

}  // namespace tenon::seccomp
