// The program for linux.resources.devices, run here as the kernel would run it.
#include <fmt/format.h>
#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <stdexcept>

#include "devices.hpp"
#include "kernel_view.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

struct Ask {
    char type;
    const char* access;
    std::uint32_t major;
    std::uint32_t minor;
};

std::uint32_t access_bits(const char* letters) {
    std::uint32_t bits = 0;
    for (; *letters != '\0'; ++letters) {
        if (*letters == 'm') bits |= BPF_DEVCG_ACC_MKNOD;
        if (*letters == 'r') bits |= BPF_DEVCG_ACC_READ;
        if (*letters == 'w') bits |= BPF_DEVCG_ACC_WRITE;
    }
    return bits;
}

// The instructions that such a program has, and no others.
class Machine {
  public:
    explicit Machine(const Ask& ask) {
        const std::uint32_t type = ask.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
        context_ = {access_bits(ask.access) << 16U | type, ask.major, ask.minor};
    }
    std::uint64_t run(const std::vector<bpf_insn>& program) {
        for (std::size_t at = 0; at < program.size(); ++at) {
            const bpf_insn& each = program[at];
            std::uint64_t& target = registers_[each.dst_reg];
            const auto value = static_cast<std::uint64_t>(static_cast<std::int64_t>(each.imm));
            switch (each.code) {
                case BPF_LDX | BPF_MEM | BPF_W: target = context_.at(each.off / 4); break;
                case BPF_ALU64 | BPF_MOV | BPF_X: target = registers_[each.src_reg]; break;
                case BPF_ALU64 | BPF_MOV | BPF_K: target = value; break;
                case BPF_ALU64 | BPF_AND | BPF_K: target &= value; break;
                case BPF_ALU64 | BPF_RSH | BPF_K: target >>= value; break;
                case BPF_JMP | BPF_JNE | BPF_K: at += target != value ? each.off : 0; break;
                case BPF_JMP | BPF_JEQ | BPF_K: at += target == value ? each.off : 0; break;
                case BPF_JMP | BPF_EXIT: return registers_[0];
                default: throw std::runtime_error(fmt::format("instruction {:#x}", each.code));
            }
        }
        throw std::runtime_error("no exit");
    }

  private:
    std::array<std::uint32_t, 3> context_{};
    std::array<std::uint64_t, 11> registers_{};
};

bool allows(const std::vector<oci::DeviceRule>& rules, const Ask& ask) {
    return Machine{ask}.run(ext::device_program(rules)) == 1;
}

const oci::DeviceRule deny_all{.allow = false, .access = "rwm"};

}  // namespace

TEST_CASE("an engine's list forbids all but the default devices") {
    const std::vector<oci::DeviceRule> rules{deny_all};
    CHECK(allows(rules, {'c', "rw", 1, 3}));
    CHECK(allows(rules, {'c', "rwm", 136, 7}));
    CHECK(allows(rules, {'c', "m", 10, 229}));
    CHECK_FALSE(allows(rules, {'c', "r", 10, 229}));
    CHECK_FALSE(allows(rules, {'b', "r", 8, 0}));
    CHECK_FALSE(allows(rules, {'b', "rwm", 8, 0}));
}

TEST_CASE("a later rule overrides an earlier one") {
    const oci::DeviceRule disk{.allow = true, .type = "b", .major = 8, .minor = 0, .access = "r"};
    CHECK(allows({deny_all, disk}, {'b', "r", 8, 0}));
    CHECK_FALSE(allows({deny_all, disk}, {'b', "rw", 8, 0}));
    CHECK_FALSE(allows({deny_all, disk}, {'b', "r", 8, 1}));
    CHECK_FALSE(allows({disk, deny_all}, {'b', "r", 8, 0}));
}

TEST_CASE("two rules for one device are one for both") {
    const oci::DeviceRule read{.allow = true, .type = "b", .major = 8, .minor = 0, .access = "r"};
    const oci::DeviceRule write{.allow = true, .type = "b", .major = 8, .minor = 0, .access = "w"};
    CHECK(allows({deny_all, read, write}, {'b', "rw", 8, 0}));
}

TEST_CASE("who asks for some of what is forbidden gets nothing") {
    const oci::DeviceRule no_write{.allow = false, .type = "b", .major = 8, .access = "w"};
    CHECK(allows({no_write}, {'b', "r", 8, 5}));
    CHECK_FALSE(allows({no_write}, {'b', "rw", 8, 5}));
    CHECK(allows({no_write}, {'b', "rw", 9, 5}));
}

TEST_CASE("what a later rule decides anyway costs nothing, and neighbours share their tests") {
    const std::vector<oci::DeviceRule> docker{
        deny_all,
        {.allow = true, .type = "c", .major = 1, .minor = 5, .access = "rwm"},
        {.allow = true, .type = "c", .major = 1, .minor = 3, .access = "rwm"},
        {.allow = true, .type = "c", .major = 5, .minor = 0, .access = "rwm"},
        {.allow = false, .type = "c", .major = 10, .minor = 229, .access = "rwm"}};
    CHECK(ext::device_program(docker).size() < 64);
    CHECK_FALSE(allows(docker, {'c', "rw", 10, 229}));
    CHECK(allows(docker, {'c', "rw", 1, 9}));
    CHECK_FALSE(allows(docker, {'c', "rw", 1, 1}));
    CHECK_FALSE(allows(docker, {'c', "rw", 5, 3}));
    CHECK(allows(docker, {'c', "rw", 5, 2}));
}

TEST_CASE("rules at random: the last one that speaks of a question answers it") {
    constexpr std::array<const char*, 4> accesses{"r", "rw", "m", "rwm"};
    for (int round = 0; round < 300; ++round) {
        std::vector<oci::DeviceRule> rules;
        for (std::uint64_t count = random_below(6); count > 0; --count) {
            oci::DeviceRule rule{.allow = random_below(2) == 0,
                                 .type = random_below(3) == 0 ? "a" : "b",
                                 .access = accesses.at(random_below(accesses.size()))};
            if (random_below(2) == 0) rule.major = static_cast<std::int64_t>(8 + random_below(2));
            if (random_below(2) == 0) rule.minor = static_cast<std::int64_t>(random_below(3));
            rules.push_back(rule);
        }
        const Ask ask{'b', random_below(2) == 0 ? "r" : "w", 8,
                      static_cast<std::uint32_t>(random_below(3))};
        bool wanted = true;
        for (const oci::DeviceRule& rule : rules) {
            const bool speaks = (!rule.major || *rule.major == ask.major) &&
                                (!rule.minor || *rule.minor == ask.minor) &&
                                rule.access.find(ask.access) != std::string::npos;
            if (speaks) wanted = rule.allow;
        }
        CHECK(allows(rules, ask) == wanted);
    }
}

TEST_CASE("-1 is any number, and other words are refused") {
    const oci::DeviceRule any{.allow = true, .type = "c", .major = 10, .minor = -1};
    CHECK(allows({deny_all, any}, {'c', "rw", 10, 99}));
    CHECK_THROWS_AS(ext::device_program({{.type = "x"}}), std::invalid_argument);
    CHECK_THROWS_AS(ext::device_program({{.access = "rx"}}), std::invalid_argument);
}

}  // namespace tenon::test
