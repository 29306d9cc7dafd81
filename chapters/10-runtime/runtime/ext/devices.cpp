#include "devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>

#include "tenon/bpf_syscalls.hpp"
#include "tenon/error.hpp"
#include "tenon/rootfs_options.hpp"

namespace tenon::ext {

namespace {

// A rule in the kernel's numbers. include/uapi/linux/bpf.h, bpf_cgroup_dev_ctx
struct Rule {
    bool allow = false;
    std::int32_t type = 0;  // BPF_DEVCG_DEV_*; 0: any
    std::int32_t access = 0;
    std::optional<std::int64_t> major;
    std::optional<std::int64_t> minor;
};

constexpr std::int32_t all_access = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

// Registers, by what they hold.
constexpr std::uint8_t result = BPF_REG_0;
constexpr std::uint8_t context = BPF_REG_1;
constexpr std::uint8_t type = BPF_REG_2;
constexpr std::uint8_t access = BPF_REG_3;
constexpr std::uint8_t major_number = BPF_REG_4;
constexpr std::uint8_t minor_number = BPF_REG_5;
constexpr std::uint8_t scratch = BPF_REG_6;

bpf_insn instruction(int code, std::uint8_t target, std::int32_t value) {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = target & 0xFU;
    made.imm = value;
    return made;
}

bpf_insn load_word(std::uint8_t target, std::size_t offset) {
    bpf_insn made = instruction(BPF_LDX | BPF_MEM | BPF_W, target, 0);
    made.src_reg = context;
    made.off = static_cast<std::int16_t>(offset);
    return made;
}

bpf_insn copy(std::uint8_t target, std::uint8_t source) {
    bpf_insn made = instruction(BPF_ALU64 | BPF_MOV | BPF_X, target, 0);
    made.src_reg = source & 0xFU;
    return made;
}

std::int32_t access_from(const std::string& letters) {
    std::int32_t bits = 0;
    for (const char letter : letters) {
        switch (letter) {
            case 'r': bits |= BPF_DEVCG_ACC_READ; break;
            case 'w': bits |= BPF_DEVCG_ACC_WRITE; break;
            case 'm': bits |= BPF_DEVCG_ACC_MKNOD; break;
            default:
                throw std::invalid_argument(
                    fmt::format("/linux/resources/devices: access '{}': r, w and m", letters));
        }
    }
    return bits == 0 ? all_access : bits;
}

std::int32_t type_from(const std::string& text) {
    if (text.empty() || text == "a") return 0;
    if (text == "c") return BPF_DEVCG_DEV_CHAR;
    if (text == "b") return BPF_DEVCG_DEV_BLOCK;
    throw std::invalid_argument(
        fmt::format("/linux/resources/devices: type '{}': a, b or c", text));
}

// -1 is an old way to say "any".
std::optional<std::int64_t> number_from(const std::optional<std::int64_t>& number) {
    return number && *number < 0 ? std::nullopt : number;
}

Rule rule_from(const oci::DeviceRule& rule) {
    return {.allow = rule.allow,
            .type = type_from(rule.type),
            .access = access_from(rule.access),
            .major = number_from(rule.major),
            .minor = number_from(rule.minor)};
}

// What the runtime makes for everybody, and what a terminal needs.
std::vector<Rule> always_allowed() {
    constexpr std::int32_t c = BPF_DEVCG_DEV_CHAR;
    std::vector<Rule> rules{{.allow = true, .access = BPF_DEVCG_ACC_MKNOD}};
    const std::array<std::array<std::int64_t, 2>, 8> nodes{
        {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}}};
    for (const auto& [major, minor] : nodes) {
        rules.push_back(
            {.allow = true, .type = c, .access = all_access, .major = major, .minor = minor});
    }
    rules.push_back({.allow = true, .type = c, .access = all_access, .major = 136, .minor = {}});
    return rules;
}

// Two rules for the same device are one for more of it: whoever asks for both is asked once.
void add(std::vector<Rule>& rules, const Rule& rule) {
    if (!rules.empty()) {
        Rule& last = rules.back();
        const bool same = last.allow == rule.allow && last.type == rule.type &&
                          last.major == rule.major && last.minor == rule.minor;
        if (same) {
            last.access |= rule.access;
            return;
        }
    }
    rules.push_back(rule);
}

// Whether `later` decides whatever `earlier` would decide, so that nobody comes to that one.
bool covers(const Rule& later, const Rule& earlier) {
    const bool type_too = later.type == 0 || later.type == earlier.type;
    const bool major_too = !later.major || later.major == earlier.major;
    const bool minor_too = !later.minor || later.minor == earlier.minor;
    const bool same = later.allow == earlier.allow;
    const bool access_too =
        later.access == all_access || (same && (later.access & earlier.access) == earlier.access);
    return type_too && major_too && minor_too && access_too;
}

// The rules in the order in which the program asks: the last one first, which overrides the others.
std::vector<Rule> decisive(const std::vector<Rule>& rules) {
    std::vector<Rule> kept;
    for (const Rule& rule : std::vector<Rule>{rules.rbegin(), rules.rend()}) {
        const bool covered = std::any_of(kept.begin(), kept.end(),
                                         [&](const Rule& later) { return covers(later, rule); });
        if (!covered) kept.push_back(rule);
    }
    return kept;
}

// Whether two neighbours differ in nothing but the minor number.
bool share_tests(const Rule& a, const Rule& b) {
    return a.allow == b.allow && a.type == b.type && a.access == b.access && a.major == b.major &&
           a.minor && b.minor;
}

// Rules that share all tests but the last as instructions; `tests` jump to their end where they do
// not speak of the device.
class RuleText {
  public:
    explicit RuleText(std::span<const Rule> rules) {
        const Rule& first = rules.front();
        if (first.type != 0) unless_equal(type, first.type);
        if (first.access != all_access) test_access(first);
        if (first.major) unless_equal(major_number, static_cast<std::int32_t>(*first.major));
        if (first.minor) test_minors(rules);
        text_.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, result, first.allow ? 1 : 0));
        text_.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0));
        for (const std::size_t jump : jumps_) aim(jump, text_.size());
    }
    [[nodiscard]] const std::vector<bpf_insn>& text() const { return text_; }

  private:
    void aim(std::size_t jump, std::size_t target) {
        text_[jump].off = static_cast<std::int16_t>(target - jump - 1);
    }
    void unless_equal(std::uint8_t what, std::int32_t value) {
        jumps_.push_back(text_.size());
        text_.push_back(instruction(BPF_JMP | BPF_JNE | BPF_K, what, value));
    }
    // Any of them will do; behind the last one, none was it.
    void test_minors(std::span<const Rule> rules) {
        const std::size_t decision = text_.size() + rules.size();
        for (const Rule& rule : rules.first(rules.size() - 1)) {
            const auto value = static_cast<std::int32_t>(*rule.minor);
            text_.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, minor_number, value));
            aim(text_.size() - 1, decision);
        }
        unless_equal(minor_number, static_cast<std::int32_t>(*rules.back().minor));
    }
    // Allowed is who asks for no more than the rule gives; forbidden who asks for some of it.
    void test_access(const Rule& rule) {
        text_.push_back(copy(scratch, access));
        const std::int32_t mask = rule.allow ? ~rule.access : rule.access;
        text_.push_back(instruction(BPF_ALU64 | BPF_AND | BPF_K, scratch, mask));
        jumps_.push_back(text_.size());
        const int jump = rule.allow ? BPF_JNE : BPF_JEQ;
        text_.push_back(instruction(BPF_JMP | jump | BPF_K, scratch, 0));
    }

    std::vector<bpf_insn> text_;
    std::vector<std::size_t> jumps_;
};

std::vector<bpf_insn> preamble() {
    return {load_word(type, offsetof(bpf_cgroup_dev_ctx, access_type)),
            copy(access, type),
            instruction(BPF_ALU64 | BPF_AND | BPF_K, type, 0xFFFF),
            instruction(BPF_ALU64 | BPF_RSH | BPF_K, access, 16),
            load_word(major_number, offsetof(bpf_cgroup_dev_ctx, major)),
            load_word(minor_number, offsetof(bpf_cgroup_dev_ctx, minor))};
}

// A rule for every device settles what all before it said.
bool speaks_of_all(const Rule& rule) {
    return rule.type == 0 && rule.access == all_access && !rule.major && !rule.minor;
}

}  // namespace

std::vector<bpf_insn> device_program(const std::vector<oci::DeviceRule>& rules) {
    std::vector<Rule> all;
    for (const oci::DeviceRule& rule : rules) add(all, rule_from(rule));
    for (const Rule& rule : always_allowed()) add(all, rule);
    const std::vector<Rule> kept = decisive(all);
    std::vector<bpf_insn> program = preamble();
    for (std::size_t begin = 0; begin < kept.size();) {
        std::size_t end = begin + 1;
        while (end < kept.size() && share_tests(kept[begin], kept[end])) ++end;
        const RuleText made{std::span{kept}.subspan(begin, end - begin)};
        program.insert(program.end(), made.text().begin(), made.text().end());
        begin = end;
    }
    // Nothing behind it is ever reached, and the kernel refuses such instructions.
    if (!kept.empty() && speaks_of_all(kept.back())) return program;
    program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, result, 1));
    program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0));
    return program;
}

// The old ones are listed first: of two that do this at once, none may take the other's away.
void replace_device_rules(const std::vector<oci::DeviceRule>& rules, FdRef group) {
    const std::vector<bpf_insn> program = device_program(rules);
    const std::vector<std::uint32_t> old = sys::device_programs_of(group);
    sys::attach_device_program(sys::load_device_program(program), group);
    for (const std::uint32_t each : old) sys::detach_device_program(each, group);
}

void DeviceRules::on_cgroup_ready(const CgroupManager& group) {
    try {
        sys::attach_device_program(sys::load_device_program(program_), group.directory());
    } catch (const SysError& error) {
        // In a user namespace no devices can be made, and none of the host's opened that its root
        // may not open anyway.
        if (error.error() != EPERM || in_initial_user_namespace()) throw;
    }
}

}  // namespace tenon::ext
