// The evaluator against the kernel: random programs, installed and called.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "catch.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "policies.hpp"
#include "shared_value.hpp"
#include "tenon/seccomp.hpp"

namespace tenon::test {

namespace {

using seccomp::Program;

// No kernel has it, so that nothing happens when it is allowed.
constexpr std::uint32_t unused_call = 1999;
constexpr std::size_t calls_per_program = 12;

std::uint32_t random_word() {
    switch (random_below(4)) {
        case 0: return static_cast<std::uint32_t>(random_below(4));
        case 1: return 0xffffffffU - static_cast<std::uint32_t>(random_below(4));
        case 2: return 1U << random_below(32);
        default: return static_cast<std::uint32_t>(random_below(std::uint64_t{1} << 32));
    }
}

constexpr std::array<std::uint16_t, 9> alu{BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,
                                           BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH};
constexpr std::array<std::uint16_t, 4> tests{BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};

std::uint16_t source() {
    return random_below(2) == 0 ? BPF_K : BPF_X;
}

sock_filter random_step(std::size_t left) {
    const auto skip = [&] {
        return static_cast<std::uint8_t>(random_below(std::min<std::size_t>(left, 6)));
    };
    const std::uint32_t slot = static_cast<std::uint32_t>(random_below(3));
    switch (random_below(10)) {
        case 0:
        case 1:
            return {BPF_LD | BPF_W | BPF_ABS, 0, 0,
                    static_cast<std::uint32_t>(16 + 4 * random_below(12))};
        case 2:
        case 3: {
            const std::uint16_t op = alu.at(random_below(alu.size()));
            const std::uint16_t from = source();
            std::uint32_t k = random_word();
            if (op == BPF_LSH || op == BPF_RSH) k %= 32;
            if (op == BPF_DIV && k == 0) k = 3;
            return {static_cast<std::uint16_t>(BPF_ALU | op | from), 0, 0, k};
        }
        case 4:
        case 5:
            return {static_cast<std::uint16_t>(BPF_JMP | tests.at(random_below(4)) | source()),
                    skip(), skip(), random_word()};
        case 6: return {BPF_JMP | BPF_JA, 0, 0, skip()};
        case 7:
            return {random_below(2) == 0 ? std::uint16_t{BPF_ST} : std::uint16_t{BPF_STX}, 0, 0,
                    slot};
        case 8:
            return {random_below(2) == 0 ? std::uint16_t{BPF_LD | BPF_MEM}
                                         : std::uint16_t{BPF_LDX | BPF_MEM},
                    0, 0, slot};
        default: {
            constexpr std::array<std::uint16_t, 6> rest{
                BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA,        BPF_ALU | BPF_NEG,
                BPF_LDX | BPF_IMM,  BPF_LDX | BPF_W | BPF_LEN, BPF_LD | BPF_IMM};
            return {rest.at(random_below(rest.size())), 0, 0, random_word()};
        }
    }
}

// Calls other than unused_call are allowed; for that one the result is an errno below 4096 made of
// what the accumulator holds in the end.
Program random_program() {
    Program program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, unused_call},
                    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    // The three memory words that are used are stored to: mostly.
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
        if (random_below(30) != 0) program.push_back({BPF_ST, 0, 0, slot});
    }
    const std::size_t length = 5 + random_below(40);
    for (std::size_t i = 0; i < length; ++i) program.push_back(random_step(length - i));
    program.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x7ff});
    program.push_back({BPF_ALU | BPF_OR | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 0x800});
    program.push_back({BPF_RET | BPF_A, 0, 0, 0});
    return program;
}

// One thing in it is broken, perhaps.
void damage(Program& program) {
    sock_filter& one = program.at(random_below(program.size()));
    switch (random_below(4)) {
        case 0: one.code = static_cast<std::uint16_t>(random_below(0x100)); break;
        case 1: one.jt = static_cast<std::uint8_t>(random_below(60)); break;
        case 2: one.k = random_word(); break;
        default: program.resize(random_below(program.size()) + 1); break;
    }
}

struct Verdicts {
    int load_error = 0;
    std::array<int, calls_per_program> errors{};
};

sock_fprog lent(const Program& program) {
    return {static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
}

// What the kernel makes of `program`: whether it takes it, and what each call gives.
Verdicts kernel_verdicts(const Program& program, const std::vector<Arguments>& calls) {
    const SharedValue<Verdicts> said;
    run_forked([&] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        sock_fprog loan = lent(program);
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &loan) != 0)
            said->load_error = errno;
        for (std::size_t i = 0; i < calls.size(); ++i) {
            const Arguments& a = calls[i];
            ::syscall(unused_call, a[0], a[1], a[2], a[3], a[4], a[5]);
            said->errors.at(i) = errno;
        }
        return 0;
    });
    return *said;
}

// Whether the kernel takes `program`, which never comes into effect: a damaged one could forbid the
// child to end. It is looked at before there is no descriptor for its listener.
bool is_taken(const Program& program) {
    const SharedValue<int> error;
    run_forked([&] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        sock_fprog loan = lent(program);
        rlimit descriptors{};
        ::getrlimit(RLIMIT_NOFILE, &descriptors);
        const rlimit none{.rlim_cur = 0, .rlim_max = descriptors.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &loan);
        *error = errno;
        ::setrlimit(RLIMIT_NOFILE, &descriptors);  // a sanitizer's own checks need some
        return 0;
    });
    REQUIRE((*error == EMFILE || *error == EINVAL));
    return *error == EMFILE;
}

std::vector<Arguments> random_calls() {
    std::vector<Arguments> calls(calls_per_program);
    for (Arguments& call : calls) {
        for (auto& value : call) value = std::uint64_t{random_word()} << 32 | random_word();
    }
    return calls;
}

// A division by 0 ends a program with SECCOMP_RET_KILL_THREAD, and the child with it.
bool kills(const Program& program, const std::vector<Arguments>& calls) {
    return std::any_of(calls.begin(), calls.end(), [&](const Arguments& args) {
        return seccomp::evaluate(program, call_of(AUDIT_ARCH_X86_64, unused_call, args)) == 0;
    });
}

}  // namespace

TEST_CASE("evaluate does what the kernel does with random programs") {
    int compared = 0;
    while (compared < 50) {
        const Program program = random_program();
        if (!seccomp::fault_in(program).empty()) continue;
        const std::vector<Arguments> calls = random_calls();
        if (kills(program, calls)) continue;
        const Verdicts kernel = kernel_verdicts(program, calls);
        INFO(seccomp::explain(program));
        REQUIRE(kernel.load_error == 0);
        for (std::size_t i = 0; i < calls.size(); ++i) {
            const auto returned =
                seccomp::evaluate(program, call_of(AUDIT_ARCH_X86_64, unused_call, calls[i]));
            REQUIRE(kernel.errors.at(i) == static_cast<int>(returned & SECCOMP_RET_DATA));
        }
        ++compared;
    }
}

TEST_CASE("fault_in refuses what the kernel refuses, and nothing else") {
    int refused = 0;
    for (int round = 0; round < 120; ++round) {
        Program program = random_program();
        damage(program);
        const std::string fault = seccomp::fault_in(program);
        INFO(fault);
        REQUIRE(is_taken(program) == fault.empty());
        if (!fault.empty()) ++refused;
    }
    CHECK(refused > 5);
}

TEST_CASE("fault_in says what is wrong, and where") {
    const sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    const auto fault = [&](const sock_filter& one) {
        return seccomp::fault_in(Program{one, allow});
    };
    CHECK(seccomp::fault_in(Program{}) == "it is empty");
    CHECK(seccomp::fault_in(Program{allow}).empty());
    CHECK(seccomp::fault_in(Program(4097, allow)) ==
          "it has 4097 instructions, and 4096 is the most");
    CHECK(seccomp::fault_in(Program(4096, allow)).empty());
    CHECK(fault({BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}) ==
          "instruction 0 loads what is no word of struct seccomp_data");
    CHECK(fault({BPF_LD | BPF_W | BPF_ABS, 0, 0, 2}) ==
          "instruction 0 loads what is no word of struct seccomp_data");
    CHECK(fault({BPF_JMP | BPF_JA, 0, 0, 1}) == "instruction 0 leads out of it");
    CHECK(fault({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}) == "instruction 0 leads out of it");
    CHECK(fault({BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}) == "instruction 0 is unknown");
    CHECK(fault({BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}) == "instruction 0 divides by 0");
    CHECK(fault({BPF_LD | BPF_MEM, 0, 0, 0}) ==
          "instruction 0 reads memory that nothing was stored to");
    CHECK(seccomp::fault_in(Program{{BPF_LD | BPF_IMM, 0, 0, 0}}) ==
          "instruction 0 leads out of it");
    CHECK_THROWS_AS(seccomp::evaluate(Program{}, {}), std::invalid_argument);
    CHECK_THROWS_AS(seccomp::explain(Program{{0xff, 0, 0, 0}}), std::invalid_argument);
}

TEST_CASE("steps_of counts instructions") {
    const Program program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                          {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 7},
                          {BPF_JMP | BPF_JA, 0, 0, 0},
                          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    CHECK(seccomp::steps_of(program, call_of(0, 7)) == 3);
    CHECK(seccomp::steps_of(program, call_of(0, 8)) == 4);
}

TEST_CASE("explain names calls, architectures, arguments and actions", "[08.3]") {
    oci::Seccomp wanted =
        policy("SCMP_ACT_ERRNO",
               {rule({"read"}, "SCMP_ACT_ALLOW"),
                rule({"socket"}, "SCMP_ACT_KILL_PROCESS", {arg(2, "SCMP_CMP_MASKED_EQ", 0xff)})});
    const std::string text = seccomp::explain(seccomp::compile(wanted).program);
    INFO(text);
    for (const char* part :
         {"load arch", "arch != x86_64 goto", "load call", "call <= socket(41)",
          "return errno ENOSYS", "read(0)", "(arg2.low & 0xff) == 0x0", "return kill process",
          "return allow", "return errno EPERM", "return kill thread", "call < x32"}) {
        CAPTURE(part);
        CHECK(text.find(part) != std::string::npos);
    }
}

TEST_CASE("explain names a call by the architecture that is being looked at", "[08.3]") {
    oci::Seccomp wanted = policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_ERRNO")});
    wanted.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    const std::string text = seccomp::explain(seccomp::compile(wanted).program);
    INFO(text);
    CHECK(text.find("mkdir(83)") != std::string::npos);
    CHECK(text.find("mkdir(39)") != std::string::npos);
    CHECK(text.find("mkdir(x32+83)") != std::string::npos);
    CHECK(text.find("arch != x86 goto") + text.find("arch == x86 goto") != 2 * std::string::npos);
}

TEST_CASE("explain tells the halves of the instruction pointer apart") {
    const Program program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 8},
                          {BPF_LD | BPF_W | BPF_ABS, 0, 0, 12},
                          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const std::string text = seccomp::explain(program);
    CHECK(text.find("load instruction_pointer.low") != std::string::npos);
    CHECK(text.find("load instruction_pointer.high") != std::string::npos);
}

TEST_CASE("returned values in words") {
    CHECK(seccomp::action_text(SECCOMP_RET_ERRNO | ENOSYS) == "errno ENOSYS");
    CHECK(seccomp::action_text(SECCOMP_RET_TRACE | 7) == "trace 7");
    CHECK(seccomp::action_text(SECCOMP_RET_TRAP) == "trap");
    CHECK(seccomp::action_text(0x12340000) == "kill process (0x12340000)");
    CHECK(seccomp::arch_text(AUDIT_ARCH_AARCH64) == "aarch64");
    CHECK(seccomp::arch_text(1) == "arch 0x1");
}

}  // namespace tenon::test
