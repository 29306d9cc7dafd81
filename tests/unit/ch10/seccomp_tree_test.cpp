// The tree beside libseccomp's program of the same policy: every number, every architecture,
// arguments at every boundary. What differs is in a test of its own, by name.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "policies.hpp"
#include "seccomp_tree.hpp"
#include "story.hpp"
#include "tenon/seccomp_profile.hpp"

namespace tenon::test {

namespace {

using seccomp::Filter;

constexpr std::array<std::uint32_t, 6> asked_architectures{AUDIT_ARCH_X86_64,  AUDIT_ARCH_I386,
                                                           AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,
                                                           AUDIT_ARCH_RISCV64, 0x1234};
constexpr std::array<std::uint32_t, 6> tokens{SCMP_ARCH_X86_64,  SCMP_ARCH_X86, SCMP_ARCH_X32,
                                              SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, SCMP_ARCH_RISCV64};
constexpr std::array<const char*, 5> more_architectures{
    "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"};

// What a compiler says against a policy; empty: nothing.
std::string refusal_by(const seccomp::Compiler& compiler, const oci::Seccomp& policy) {
    try {
        compiler.compile(policy);
        return {};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

// Each value that a rule compares with, its neighbours, and words with only one half of it.
std::vector<std::uint64_t> boundaries(const oci::Seccomp& policy) {
    std::set<std::uint64_t> values{0, 1, ~std::uint64_t{0}, 0xffffffff, 0x100000000};
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        for (const oci::SeccompArg& arg : rule.args) {
            for (const std::uint64_t base : {arg.value, arg.value_two.value_or(arg.value)}) {
                values.insert({base, base - 1, base + 1, base | 1ULL << 32, base & 0xffffffff,
                               base ^ 1ULL << 63, base & ~0xffffffffULL, ~base});
            }
        }
    }
    return {values.begin(), values.end()};
}

void add_numbers(std::set<std::uint32_t>& numbers, const std::string& name) {
    for (const std::uint32_t token : tokens) {
        const int number = ::seccomp_syscall_resolve_name_arch(token, name.c_str());
        numbers.insert(static_cast<std::uint32_t>(number));
        // It may have a number of its own, which the table does not tell.
        if (number < 0 && number >= -300) numbers.insert({359, 360, 369, 393, 399});
    }
}

// The numbers that a policy names, on any architecture, or those whose arguments it looks at.
// Those that libseccomp made up are asked about as well.
std::set<std::uint32_t> numbers_named(const oci::Seccomp& policy, bool with_conditions) {
    std::set<std::uint32_t> numbers{102, 117};
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        if (with_conditions && rule.args.empty()) continue;
        for (const std::string& name : rule.names) add_numbers(numbers, name);
    }
    return numbers;
}

std::set<std::uint32_t> numbers_asked(const std::set<std::uint32_t>& named) {
    std::set<std::uint32_t> numbers{0x3fffffff, 0x7fffffff, 0x80000000, 0x80000001, 0xbfffffff,
                                    0xc0000000, 0xc0000001, 0xfffffffe, 0xffffffff};
    for (std::uint32_t number = 0; number <= 600; ++number) {
        numbers.insert({number, number | x32_bit});
    }
    for (const std::uint32_t number : named) numbers.insert({number - 1, number, number + 1});
    return numbers;
}

// One call with many arguments: each value in each of the first three some time.
void add_calls(std::vector<seccomp_data>& calls, const seccomp_data& call,
               const std::vector<std::uint64_t>& values, std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        calls.push_back(call);
        for (auto& arg : calls.back().args) arg = values[random_below(values.size())];
        calls.back().args[i % 3] = values[i / 3 % values.size()];
    }
}

std::vector<seccomp_data> all_calls(const oci::Seccomp& policy) {
    const std::vector<std::uint64_t> values = boundaries(policy);
    const std::set<std::uint32_t> conditional = numbers_named(policy, true);
    const std::set<std::uint32_t> numbers = numbers_asked(numbers_named(policy, false));
    std::vector<seccomp_data> calls;
    for (const std::uint32_t arch : asked_architectures) {
        for (const std::uint32_t number : numbers) {
            const std::size_t often = std::min<std::size_t>(3 * values.size(), 90);
            add_calls(calls, call_of(arch, number), values,
                      conditional.contains(number) ? often : 1);
        }
    }
    return calls;
}

std::string name_of(std::uint32_t token) {
    for (std::size_t i = 0; i < more_architectures.size(); ++i) {
        if (token == tokens.at(i + 1)) return more_architectures.at(i);
    }
    return "SCMP_ARCH_X86_64";
}

// What libseccomp has for a call that is none on that architecture.
bool is_made_up(std::uint32_t token, const std::string& name) {
    const int number = ::seccomp_syscall_resolve_name_arch(token, name.c_str());
    return number < 0 && (token != SCMP_ARCH_X86 || number < -300);
}

// libseccomp's programs, one for each of the kernel's architectures. One for all would be no judge:
// 2.5.4 forgets to load the number where the first rule of x86_64 and x32 is about a call that is
// none there. So each has no such rules; they mean nothing.
class Oracle {
  public:
    explicit Oracle(const oci::Seccomp& policy) : all_(seccomp::compile(policy)) {
        for (const std::uint32_t token : tokens) {
            if (token != SCMP_ARCH_X32)
                programs_[token] = seccomp::compile(own(policy, token)).program;
        }
    }
    [[nodiscard]] std::uint32_t judge(const seccomp_data& call) const {
        const auto own = programs_.find(call.arch);
        return seccomp::evaluate(own == programs_.end() ? all_.program : own->second, call);
    }
    [[nodiscard]] const Filter& all() const { return all_; }

  private:
    static oci::Seccomp own(oci::Seccomp policy, std::uint32_t token) {
        std::erase_if(policy.architectures, [&](const std::string& each) {
            const bool x32 = each == "SCMP_ARCH_X32" && token == SCMP_ARCH_X86_64;
            return each != name_of(token) && !x32;
        });
        for (oci::SeccompSyscall& rule : policy.syscalls) {
            std::erase_if(rule.names,
                          [&](const std::string& name) { return is_made_up(token, name); });
        }
        return policy;
    }
    Filter all_;
    std::map<std::uint32_t, seccomp::Program> programs_;
};

bool has_number(const std::string& name, std::uint32_t number) {
    return std::any_of(tokens.begin(), tokens.end(), [&](std::uint32_t token) {
        const int own = ::seccomp_syscall_resolve_name_arch(token, name.c_str());
        return static_cast<std::uint32_t>(own) == number;
    });
}

// The default action, the architectures, and the rules whose call has that number somewhere.
std::string described(const oci::Seccomp& policy, std::uint32_t number) {
    std::string text = policy.default_action;
    for (const std::string& arch : policy.architectures) text += " " + arch;
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        if (!has_number(rule.names.front(), number)) continue;
        text += fmt::format("; {} {}", rule.names.front(), rule.action);
        for (const oci::SeccompArg& arg : rule.args) {
            text += fmt::format(" [{} {} {:#x} {:#x}]", arg.index, arg.op, arg.value,
                                arg.value_two.value_or(0));
        }
    }
    return text;
}

// Whether rules for other calls may be rules for this one on i386, too.
bool is_shared(const std::string& name) {
    const int number = ::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name.c_str());
    return number == 102 || number == 117 || (number < 0 && number >= -300);
}

// libseccomp's word where the policy has rules about this call alone. Among rules for many calls
// 2.5.4 forgets, once in hundreds of policies, to load an argument before it compares it.
std::uint32_t judged_alone(oci::Seccomp policy, const seccomp_data& call) {
    std::erase_if(policy.syscalls, [&](const oci::SeccompSyscall& rule) {
        const std::string& name = rule.names.front();
        return name != "getpid" && !is_shared(name) &&
               !has_number(name, static_cast<std::uint32_t>(call.nr));
    });
    return Oracle{policy}.judge(call);
}

// The first call that the two judge differently; empty: none.
std::string first_difference(const oci::Seccomp& policy, const Filter& tree, const Oracle& oracle) {
    for (const seccomp_data& call : all_calls(policy)) {
        const std::uint32_t told = seccomp::evaluate(tree.program, call);
        const std::uint32_t expected = oracle.judge(call);
        if (told == expected || told == judged_alone(policy, call)) continue;
        return fmt::format(
            "arch {:#x} call {:#x} ({:#x}, {:#x}, {:#x}, {:#x}): {} instead of {}; {}", call.arch,
            static_cast<std::uint32_t>(call.nr), call.args[0], call.args[1], call.args[2],
            call.args[3], seccomp::action_text(told), seccomp::action_text(expected),
            described(policy, static_cast<std::uint32_t>(call.nr)));
    }
    return {};
}

// Everything else that a filter says.
std::string other_difference(const Filter& tree, const Filter& oracle) {
    if (tree.flags != oracle.flags) return "flags";
    if (tree.wants_listener != oracle.wants_listener) return "listener";
    return tree.warnings == oracle.warnings ? "" : "warnings";
}

const char* pick(std::initializer_list<const char*> words) {
    return words.begin()[random_below(words.size())];
}

// Also one that only i386 has, and those that have two ways there.
std::string random_call() {
    while (true) {
        const std::uint32_t token = random_below(3) == 0 ? SCMP_ARCH_X86 : SCMP_ARCH_X86_64;
        const auto number = static_cast<int>(random_below(450));
        char* const name = ::seccomp_syscall_resolve_num_arch(token, number);
        if (name == nullptr) continue;
        std::string text = name;
        ::free(name);  // NOLINT(cppcoreguidelines-no-malloc): libseccomp's contract
        // Other calls' rules are for these two as well, and would overlap.
        if (text == "socketcall" || text == "ipc") continue;
        // See Oracle: these, x32 alone does not have.
        const bool gone = !is_made_up(SCMP_ARCH_X86_64, text) && is_made_up(SCMP_ARCH_X32, text);
        if (!gone) return text;
    }
}

std::uint64_t random_value() {
    switch (random_below(4)) {
        case 0: return random_below(4);
        case 1: return (random_below(3) << 32U) + random_below(3);
        case 2: return ~std::uint64_t{0} - random_below(2);
        default: return random_below(~std::uint64_t{0});
    }
}

constexpr std::array operators{"SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_LT",
                               "SCMP_CMP_LE", "SCMP_CMP_GE", "SCMP_CMP_GT"};

oci::SeccompArg random_condition(std::uint32_t index, const char* op) {
    oci::SeccompArg made = arg(index, op, random_value());
    if (made.op == "SCMP_CMP_MASKED_EQ") {
        if (random_below(2) == 0) made.value = ~std::uint64_t{0} << random_below(64);
        made.value_two = random_below(4) == 0 ? random_value() : made.value & random_value();
    }
    return made;
}

// What rules for a call may ask for, as far as the tree's compiler takes it.
enum class Shape {
    Anything,  // if there is one only
    Singles,   // one argument each, which has some value or has it not
    Values,    // of any arguments
};

oci::SeccompSyscall random_rule(std::string name, const char* action, Shape shape) {
    oci::SeccompSyscall made = rule({std::move(name)}, action);
    const std::uint64_t conditions = random_below(shape == Shape::Singles ? 2 : 4);
    const std::size_t choice = shape == Shape::Anything  ? operators.size()
                               : shape == Shape::Singles ? 2
                                                         : 1;
    for (std::uint32_t i = 0; i < conditions; ++i) {
        made.args.push_back(random_condition(i, operators.at(random_below(choice))));
    }
    return made;
}

// Two tests of one argument are two rules.
oci::SeccompSyscall random_alternatives(std::string name, const char* action) {
    oci::SeccompSyscall made = rule({std::move(name)}, action);
    for (int i = 0; i < 2; ++i) {
        made.args.push_back(random_condition(3, operators.at(random_below(2))));
    }
    return made;
}

const char* random_action() {
    return pick({"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_TRACE", "SCMP_ACT_KILL_PROCESS",
                 "SCMP_ACT_NOTIFY", "SCMP_ACT_LOG", "SCMP_ACT_TRAP"});
}

oci::Seccomp random_frame() {
    oci::Seccomp made = policy(pick({"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_KILL",
                                     "SCMP_ACT_TRAP", "SCMP_ACT_LOG", "SCMP_ACT_ERRNO"}),
                               {});
    if (made.default_action == "SCMP_ACT_ERRNO" && random_below(2) == 0) {
        made.default_errno_ret = ENOSYS;
    }
    for (const char* const each : more_architectures) {
        if (random_below(2) == 0) made.architectures.emplace_back(each);
    }
    // See Oracle: on i386, libseccomp forgets the number also where semop and semtimedop are all
    // that a policy names, which are but cases of ipc there.
    made.syscalls.push_back(rule({"getpid"}, "SCMP_ACT_ERRNO"));
    made.syscalls.back().errno_ret = EXDEV;
    return made;
}

std::set<std::string> random_calls() {
    std::set<std::string> names;
    for (std::size_t left = random_below(60); left > 0; --left) names.insert(random_call());
    return names;
}

oci::Seccomp policy_of_single_rules() {
    oci::Seccomp made = random_frame();
    for (const std::string& name : random_calls()) {
        const char* const action = random_action();
        const bool shared = is_shared(name);
        const Shape shape = shared ? Shape::Values : Shape::Anything;
        made.syscalls.push_back(!shared && random_below(8) == 0 ? random_alternatives(name, action)
                                                                : random_rule(name, action, shape));
    }
    return made;
}

// Some for each call, all with the same action.
oci::Seccomp policy_of_several_rules() {
    oci::Seccomp made = random_frame();
    for (const std::string& name : random_calls()) {
        const char* const action = random_action();
        const bool values = is_shared(name) || random_below(2) == 0;
        for (std::uint64_t left = random_below(5); left > 0; --left) {
            made.syscalls.push_back(
                random_rule(name, action, values ? Shape::Values : Shape::Singles));
        }
    }
    return made;
}

// Several actions for each call, by tests of which no two succeed.
oci::Seccomp exclusive_policy() {
    oci::Seccomp made = random_frame();
    for (const std::string& name : random_calls()) {
        // Not the first argument: see "rules with different actions".
        const auto index = static_cast<std::uint32_t>(random_below(4) + 1);
        const std::uint64_t value = random_value();
        const oci::SeccompArg same = arg(index, "SCMP_CMP_EQ", value);
        const oci::SeccompArg also = random_condition(index + 1, "SCMP_CMP_EQ");
        const oci::SeccompArg not_also = arg(index + 1, "SCMP_CMP_EQ", also.value ^ 1U);
        made.syscalls.push_back(rule({name}, "SCMP_ACT_KILL_PROCESS", {same, also}));
        made.syscalls.push_back(rule({name}, "SCMP_ACT_NOTIFY", {same, not_also}));
        if (is_shared(name)) continue;
        made.syscalls.push_back(rule({name}, "SCMP_ACT_TRACE", {arg(index, "SCMP_CMP_NE", value)}));
    }
    return made;
}

// Of a policy that both have to compile. @return how long the two programs are
std::pair<std::size_t, std::size_t> expect_equal(const oci::Seccomp& policy) {
    const std::optional<Filter> tree = ext::compile_tree(policy);
    REQUIRE(tree.has_value());
    const Oracle oracle{policy};
    const std::string difference = first_difference(policy, *tree, oracle);
    TENON_EXPECT(difference.empty(), "what libseccomp's program says", difference);
    CHECK(other_difference(*tree, oracle.all()).empty());
    CHECK(seccomp::fault_in(tree->program).empty());
    return {tree->program.size(), oracle.all().program.size()};
}

// @return whether the tree's compiler has something to say about it
bool expect_equal_or_left(const oci::Seccomp& wanted) {
    if (!ext::compile_tree(wanted)) return false;
    expect_equal(wanted);
    return true;
}

// @return how many of them were compared
int expect_all_equal(int rounds, oci::Seccomp (*make)()) {
    int compared = 0;
    for (int round = 0; round < rounds; ++round) compared += expect_equal_or_left(make()) ? 1 : 0;
    step(fmt::format("{} of {} policies were compared", compared, rounds));
    return compared;
}

bool is_left(const oci::Seccomp& policy) {
    return !ext::compile_tree(policy);
}

}  // namespace

TEST_CASE("the tree of a random policy says what libseccomp's program says, about every call",
          "[uses-08.3]") {
    CHECK(expect_all_equal(12, policy_of_single_rules) == 12);
}

TEST_CASE("so it does with several rules for one call", "[uses-08.3]") {
    CHECK(expect_all_equal(12, policy_of_several_rules) == 12);
}

TEST_CASE("so it does with several actions for one call, which exclude each other", "[uses-08.3]") {
    CHECK(expect_all_equal(8, exclusive_policy) == 8);
}

TEST_CASE("so it does for podman's default profile, in half as many instructions", "[uses-08.3]") {
    constexpr const char* path = "/usr/share/containers/seccomp.json";
    TENON_NEED(std::filesystem::exists(path),
               "no podman profile: install golang-github-containers-common");
    for (const CapabilitySet& bounding : {CapabilitySet{}, CapabilitySet::up_to(40)}) {
        const auto [tree, list] =
            expect_equal(seccomp::load_profile(path, seccomp::profile_context(bounding)));
        step(fmt::format("{} instructions instead of {}", tree, list));
        CHECK(tree * 2 < list);
    }
}

TEST_CASE("so it does for each default action and each kind of x32", "[uses-08.3]") {
    for (const char* const fallback :
         {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_NOTIFY", "SCMP_ACT_LOG"}) {
        for (const std::vector<std::string>& architectures :
             {std::vector<std::string>{}, {"SCMP_ARCH_X32"}, {"SCMP_ARCH_X86", "SCMP_ARCH_X32"}}) {
            oci::Seccomp wanted = policy(
                fallback, {rule({"read", "mkdir", "clone3", "socket", "no_such_call", "semop"},
                                "SCMP_ACT_TRACE"),
                           rule({"statx"}, fallback)});
            wanted.architectures = architectures;
            wanted.flags = {"SECCOMP_FILTER_FLAG_LOG"};
            expect_equal(wanted);
            wanted.syscalls.clear();
            expect_equal(wanted);
        }
    }
}

TEST_CASE("so it does for every operator, on 64 bits and on 32", "[uses-08.3]") {
    for (const char* const op : {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
                                 "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"}) {
        for (const std::uint64_t value : {0ULL, 1ULL, 0xffffffffULL, 0x100000000ULL,
                                          0x7e02000000000001ULL, 0xffffffff00000000ULL, ~0ULL}) {
            oci::Seccomp wanted =
                policy("SCMP_ACT_ALLOW", {rule({"clone", "openat"}, "SCMP_ACT_ERRNO",
                                               {arg(0, op, value), arg(1, op, value >> 1U)})});
            for (oci::SeccompArg& each : wanted.syscalls[0].args) each.value_two = value & 0xff;
            wanted.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"};
            expect_equal(wanted);
        }
    }
}

TEST_CASE("so it does where no jump reaches from one end to the other", "[uses-08.3]") {
    oci::Seccomp wanted = policy("SCMP_ACT_ERRNO", {});
    for (std::uint64_t number = 0; number < 300; ++number) {
        char* const name =
            ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, static_cast<int>(number));
        if (name == nullptr) continue;
        wanted.syscalls.push_back(rule(
            {name}, "SCMP_ACT_ALLOW",
            {arg(0, "SCMP_CMP_EQ", number << 32 | number), arg(1, "SCMP_CMP_NE", number + 1)}));
        ::free(name);  // NOLINT(cppcoreguidelines-no-malloc): libseccomp's contract
    }
    const auto [tree, list] = expect_equal(wanted);
    CHECK(tree > 2000);
    // One call with so many alternatives that no jump leads past all of them.
    wanted.syscalls.clear();
    for (std::uint64_t value = 0; value < 400; ++value) {
        wanted.syscalls.push_back(
            rule({"ioctl"}, "SCMP_ACT_ALLOW", {arg(1, "SCMP_CMP_EQ", value << 32 | value)}));
    }
    expect_equal(wanted);
}

TEST_CASE("an unconditional rule counts more than a condition, and the first one most",
          "[uses-08.3]") {
    const auto conditional = rule({"read"}, "SCMP_ACT_ERRNO", {arg(0, "SCMP_CMP_EQ", 1)});
    const auto plain = rule({"read"}, "SCMP_ACT_ALLOW");
    const auto other = rule({"read"}, "SCMP_ACT_TRAP");
    for (const auto& rules : {std::vector{conditional, plain},
                              {plain, conditional},
                              {plain, other},
                              {other, conditional, plain}}) {
        expect_equal(policy("SCMP_ACT_KILL", rules));
    }
}

TEST_CASE("rules with different actions are compiled where they exclude each other",
          "[uses-08.3]") {
    // podman's, for a container without CAP_AUDIT_WRITE.
    oci::Seccomp wanted = policy(
        "SCMP_ACT_ERRNO",
        {rule({"socketcall"}, "SCMP_ACT_ALLOW"),
         rule({"socket"}, "SCMP_ACT_TRAP", {arg(0, "SCMP_CMP_EQ", 16), arg(2, "SCMP_CMP_EQ", 9)}),
         rule({"socket"}, "SCMP_ACT_ALLOW", {arg(2, "SCMP_CMP_NE", 9)}),
         rule({"socket"}, "SCMP_ACT_ALLOW", {arg(0, "SCMP_CMP_NE", 16)})});
    wanted.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    expect_equal(wanted);
    // On i386 the first argument of socketcall(2) says which call it is, and a rule about that of
    // socket(2) is lost: what is left overlaps.
    wanted.syscalls.erase(wanted.syscalls.begin());
    CHECK(is_left(wanted));
    wanted.architectures.clear();
    expect_equal(wanted);
}

TEST_CASE("what the tree's compiler does not know it leaves to libseccomp", "[uses-08.3]") {
    const auto same = [](const oci::Seccomp& policy) {
        const Filter ours = ext::compile_by_tree(policy);
        const Filter theirs = seccomp::compile(policy);
        return std::equal(ours.program.begin(), ours.program.end(), theirs.program.begin(),
                          theirs.program.end(), [](const sock_filter& a, const sock_filter& b) {
                              return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
                          });
    };
    oci::Seccomp wanted = policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_ERRNO")});
    CHECK_FALSE(is_left(wanted));
    CHECK_FALSE(same(wanted));
    wanted.architectures = {"SCMP_ARCH_PPC64LE"};
    CHECK(is_left(wanted));
    CHECK(same(wanted));
    const auto with_two = [](std::vector<oci::SeccompArg> first, const char* action,
                             std::vector<oci::SeccompArg> second) {
        return policy("SCMP_ACT_ALLOW", {rule({"read"}, "SCMP_ACT_ERRNO", std::move(first)),
                                         rule({"read"}, action, std::move(second))});
    };
    const oci::SeccompArg zero = arg(0, "SCMP_CMP_EQ", 1);
    const oci::SeccompArg one = arg(1, "SCMP_CMP_EQ", 1);
    const oci::SeccompArg not_one = arg(1, "SCMP_CMP_NE", 1);
    CHECK_FALSE(is_left(with_two({zero}, "SCMP_ACT_ERRNO", {one})));
    CHECK_FALSE(is_left(with_two({zero, one}, "SCMP_ACT_TRAP", {not_one})));
    for (const oci::Seccomp& each :
         {with_two({zero}, "SCMP_ACT_TRAP", {one}),
          with_two({arg(0, "SCMP_CMP_GT", 1)}, "SCMP_ACT_ERRNO", {one}),
          with_two({arg(0, "SCMP_CMP_MASKED_EQ", 1)}, "SCMP_ACT_ERRNO", {one}),
          with_two({zero, one}, "SCMP_ACT_ERRNO", {not_one}),
          with_two({zero, not_one}, "SCMP_ACT_ERRNO", {one}),
          with_two({not_one}, "SCMP_ACT_TRAP", {zero, one})}) {
        CHECK(is_left(each));
        CHECK(same(each));
    }
}

TEST_CASE("it refuses what compile() refuses, in the same words", "[uses-08.3]") {
    const auto expect_refusal = [](auto change) {
        oci::Seccomp wanted = policy(
            "SCMP_ACT_ALLOW", {rule({"read"}, "SCMP_ACT_ERRNO", {arg(0, "SCMP_CMP_EQ", 1)})});
        change(wanted);
        const std::string refusal = refusal_by(seccomp::by_libseccomp, wanted);
        CHECK_FALSE(refusal.empty());
        CHECK(refusal_by(ext::by_tree, wanted) == refusal);
    };
    expect_refusal([](oci::Seccomp& p) { p.default_action = "SCMP_ACT_MAYBE"; });
    expect_refusal([](oci::Seccomp& p) { p.syscalls[0].action = ""; });
    expect_refusal([](oci::Seccomp& p) { p.syscalls[0].args[0].op = "SCMP_CMP_EQUAL"; });
    expect_refusal([](oci::Seccomp& p) { p.syscalls[0].args[0].index = 6; });
    expect_refusal([](oci::Seccomp& p) { p.flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"}; });
    expect_refusal([](oci::Seccomp& p) { p.architectures = {"SCMP_ARCH_VAX"}; });
    expect_refusal([](oci::Seccomp& p) { p.architectures = {"SCMP_ARCH_S390X"}; });
    expect_refusal([](oci::Seccomp& p) { p.syscalls[0].errno_ret = 4096; });
    expect_refusal([](oci::Seccomp& p) {
        p.syscalls.push_back(rule({"read"}, "SCMP_ACT_KILL", {arg(0, "SCMP_CMP_EQ", 1)}));
    });
    expect_refusal([](oci::Seccomp& p) {
        for (std::uint64_t value = 0; value < 1500; ++value) {
            p.syscalls.push_back(
                rule({"ioctl"}, "SCMP_ACT_ERRNO", {arg(1, "SCMP_CMP_EQ", value << 32 | value)}));
        }
    });
}

TEST_CASE("each compiler finds its own program in the cache") {
    const oci::Seccomp wanted = policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_ERRNO")});
    CHECK(seccomp::cache_key(wanted, ext::by_tree) != seccomp::cache_key(wanted));
}

}  // namespace tenon::test

// libseccomp 2.5.4 forgets some memory when it merges several rules for one call. Asked by the leak
// sanitizer, where there is one.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libseccomp.so";
}
