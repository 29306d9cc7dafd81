// Every call, every architecture, arguments at every boundary: the compiled program says what the
// policy says.
#include <fmt/format.h>

#include <filesystem>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "policies.hpp"
#include "story.hpp"
#include "tenon/seccomp.hpp"
#include "tenon/seccomp_profile.hpp"

namespace tenon::test {

namespace {

// On x86_32 the socket calls and those of System V IPC have two ways each: a number of their own,
// and one call that stands for many, told apart by its first argument. libseccomp makes rules for
// both, and its table of names has neither.
bool has_two_ways(const seccomp_data& call) {
    constexpr std::array many{102, 117, 337, 345};  // socketcall, ipc, recvmmsg, sendmmsg
    if (call.arch != AUDIT_ARCH_I386) return false;
    if (std::find(many.begin(), many.end(), call.nr) != many.end()) return true;
    return (call.nr >= 359 && call.nr <= 373) || (call.nr >= 393 && call.nr <= 402);
}

bool has_short_registers(const seccomp_data& call) {
    return call.arch == AUDIT_ARCH_I386 || (static_cast<std::uint32_t>(call.nr) & x32_bit) != 0;
}

// Each value that a rule compares with, its neighbours, and words with only one half of it.
std::vector<std::uint64_t> boundaries(const oci::Seccomp& policy) {
    std::vector<std::uint64_t> values{0, 1, ~std::uint64_t{0}, 0xffffffff, 0x100000000};
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        for (const oci::SeccompArg& arg : rule.args) {
            for (const std::uint64_t base : {arg.value, arg.value_two.value_or(arg.value)}) {
                values.insert(values.end(), {base, base - 1, base + 1, base | 1ULL << 32,
                                             base & 0xffffffff, base ^ 1ULL << 63});
            }
        }
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

// One call with many arguments: each value in each argument some time.
void add_calls(std::vector<seccomp_data>& calls, const seccomp_data& call,
               const std::vector<std::uint64_t>& values, std::size_t rounds) {
    for (std::size_t i = 0; i < std::min(rounds, values.size()); ++i) {
        calls.push_back(call);
        for (std::size_t k = 0; k < 6; ++k) {
            const std::size_t other = i * (2 * k + 1) + k * static_cast<std::uint32_t>(call.nr);
            calls.back().args[k] = values[k == i % 3 ? i : other % values.size()];
        }
    }
}

// Without -1, which is no call: a tracer puts it where there was one.
std::vector<seccomp_data> all_calls(const oci::Seccomp& policy, const PlainReading& reading) {
    constexpr std::array<std::uint32_t, 3> archs{AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,
                                                 AUDIT_ARCH_AARCH64};
    std::vector<std::uint32_t> numbers{0x3fffffff, 0x7fffffff};
    for (std::uint32_t number = 0; number <= 600; ++number) {
        numbers.push_back(number);
        numbers.push_back(number | x32_bit);
    }
    const std::vector<std::uint64_t> values = boundaries(policy);
    std::vector<seccomp_data> calls;
    for (const std::uint32_t arch : archs) {
        for (const std::uint32_t number : numbers) {
            const seccomp_data call = call_of(arch, number);
            add_calls(calls, call, values, reading.speaks_of(call) ? 60 : 2);
        }
    }
    return calls;
}

// The first call that is judged otherwise than the policy says; empty: none.
std::string first_difference(const oci::Seccomp& policy, const seccomp::Program& program) {
    const PlainReading reading(policy);
    std::size_t compared = 0;
    for (seccomp_data call : all_calls(policy, reading)) {
        if (has_two_ways(call)) continue;
        if (has_short_registers(call)) {
            for (auto& value : call.args) value &= 0xffffffff;
        }
        const std::uint32_t told = seccomp::evaluate(program, call);
        const std::uint32_t expected = reading.action(call);
        ++compared;
        if (told == expected) continue;
        return fmt::format("arch {:#x} call {:#x} ({:#x}, {:#x}, {:#x}): {} instead of {}",
                           call.arch, static_cast<std::uint32_t>(call.nr), call.args[0],
                           call.args[1], call.args[2], seccomp::action_text(told),
                           seccomp::action_text(expected));
    }
    return compared > 1000 ? "" : "nothing was compared";
}

std::string random_call() {
    while (true) {
        const auto number = static_cast<int>(random_below(450));
        char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
        if (name == nullptr) continue;
        std::string text = name;
        ::free(name);  // NOLINT(cppcoreguidelines-no-malloc): libseccomp's contract
        // libseccomp 2.5.4 forgets to load the number where the first rule of x86_64 and x32 is
        // about a call that x32 has not.
        if (::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X32, text.c_str()) < 0) continue;
        // On x86_32 these are reached through a call that stands for many.
        if (::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, text.c_str()) < -100) continue;
        return text;
    }
}

const char* pick(std::initializer_list<const char*> words) {
    return words.begin()[random_below(words.size())];
}

oci::SeccompArg random_condition(std::uint32_t index) {
    oci::SeccompArg made = arg(index,
                               pick({"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
                                     "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"}),
                               random_below(5) == 0 ? random_below(8) : random_below(0xfffffff0));
    if (made.op == "SCMP_CMP_MASKED_EQ") made.value_two = made.value & random_below(0xffffffff);
    return made;
}

// Each call is named once: what overlapping rules with different actions mean, nobody defines.
oci::Seccomp random_policy() {
    oci::Seccomp made = policy(pick({"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_KILL",
                                     "SCMP_ACT_TRAP", "SCMP_ACT_LOG"}),
                               {});
    if (random_below(2) == 0) made.architectures.emplace_back("SCMP_ARCH_X86");
    if (random_below(2) == 0) made.architectures.emplace_back("SCMP_ARCH_X32");
    std::vector<std::string> used;
    const std::size_t rules = random_below(50);
    while (used.size() < rules) {
        const std::string name = random_call();
        if (std::find(used.begin(), used.end(), name) != used.end()) continue;
        used.push_back(name);
        oci::SeccompSyscall one = rule({name}, pick({"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW",
                                                     "SCMP_ACT_TRACE", "SCMP_ACT_KILL_PROCESS"}));
        const std::size_t conditions = random_below(4);
        for (std::uint32_t i = 0; i < conditions; ++i) one.args.push_back(random_condition(i));
        made.syscalls.push_back(std::move(one));
    }
    return made;
}

std::string described(const oci::Seccomp& policy) {
    std::string text = policy.default_action;
    for (const std::string& arch : policy.architectures) text += " " + arch;
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        text += fmt::format("\n{} {}", rule.names.front(), rule.action);
        for (const oci::SeccompArg& arg : rule.args) {
            text += fmt::format(" [{} {} {:#x} {:#x}]", arg.index, arg.op, arg.value,
                                arg.value_two.value_or(0));
        }
    }
    return text;
}

}  // namespace

TEST_CASE("a compiled random policy says what the policy says, about every call", "[08.3]") {
    for (int round = 0; round < 8; ++round) {
        const oci::Seccomp wanted = random_policy();
        const std::string difference = first_difference(wanted, seccomp::compile(wanted).program);
        INFO(described(wanted));
        TENON_EXPECT(difference.empty(), "what the policy says", difference);
    }
}

TEST_CASE("podman's default profile, compiled, says what it says", "[08.3]") {
    constexpr const char* path = "/usr/share/containers/seccomp.json";
    TENON_NEED(std::filesystem::exists(path),
               "no podman profile: install golang-github-containers-common");
    for (const CapabilitySet& bounding : {CapabilitySet{}, CapabilitySet::up_to(40)}) {
        const oci::Seccomp wanted = seccomp::load_profile(path, seccomp::profile_context(bounding));
        const seccomp::Filter filter = seccomp::compile(wanted);
        const std::string difference = first_difference(wanted, filter.program);
        TENON_EXPECT(difference.empty(), "what the profile says", difference);
        TENON_EXPECT(native(filter.program, "read") == SECCOMP_RET_ALLOW, "read: allow",
                     seccomp::action_text(native(filter.program, "read")));
    }
}

}  // namespace tenon::test
