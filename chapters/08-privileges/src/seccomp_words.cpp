// Tables, and what is said when a word is in none of them.
#include "tenon/seccomp_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "tenon/error.hpp"
#include "tenon/log.hpp"
#include "tenon/seccomp.hpp"
#include "tenon/seccomp_bpf.hpp"
#include "tenon/seccomp_syscalls.hpp"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV  // Linux 5.19
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace tenon::seccomp {

namespace {

struct Word {
    std::string_view name;
    std::uint32_t number;
};

constexpr std::array actions{
    Word{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
    Word{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
    Word{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
    Word{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
    Word{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
    Word{"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
    Word{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
    Word{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    Word{"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
};

constexpr std::array operators{
    Word{"SCMP_CMP_NE", SCMP_CMP_NE},
    Word{"SCMP_CMP_LT", SCMP_CMP_LT},
    Word{"SCMP_CMP_LE", SCMP_CMP_LE},
    Word{"SCMP_CMP_EQ", SCMP_CMP_EQ},
    Word{"SCMP_CMP_GE", SCMP_CMP_GE},
    Word{"SCMP_CMP_GT", SCMP_CMP_GT},
    Word{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

constexpr std::array flags{
    Word{"SECCOMP_FILTER_FLAG_TSYNC", 0},
    Word{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    Word{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    Word{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

// The number of `name`. @throws std::invalid_argument  with all that there are
std::uint32_t number_of(std::span<const Word> words, const std::string& name,
                        std::string_view what) {
    std::vector<std::string_view> known;
    for (const Word& word : words) {
        if (word.name == name) return word.number;
        known.push_back(word.name);
    }
    throw std::invalid_argument(fmt::format("seccomp: {} is no {}: use {}", json_quote(name), what,
                                            fmt::join(known, ", ")));
}

// The kernel makes 4095 of any greater errno, silently; a tracer gets 16 bits. seccomp(2)
std::uint32_t data_for(std::uint32_t action, const std::string& name,
                       std::optional<std::uint32_t> errno_ret) {
    constexpr std::uint32_t largest_errno = 4095;
    const bool has_data = action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE;
    if (!has_data && errno_ret) {
        throw std::invalid_argument(fmt::format(
            "seccomp: {} has no errno: leave errnoRet out, or use SCMP_ACT_ERRNO", name));
    }
    const std::uint32_t data = has_data ? errno_ret.value_or(EPERM) : 0;
    const std::uint32_t limit = action == SECCOMP_RET_ERRNO ? largest_errno : SECCOMP_RET_DATA;
    if (data > limit) {
        throw std::invalid_argument(
            fmt::format("seccomp: {} takes an errnoRet of up to {}, not {}", name, limit, data));
    }
    return data;
}

std::uint32_t token_from(const std::string& name) {
    constexpr std::string_view prefix = "SCMP_ARCH_";
    std::string text = name.starts_with(prefix) ? name.substr(prefix.size()) : std::string{};
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::uint32_t token = ::seccomp_arch_resolve_name(text.c_str());
    if (token != 0) return token;
    throw std::invalid_argument(
        fmt::format("seccomp: libseccomp {} knows no architecture {}: use SCMP_ARCH_X86_64 and "
                    "the like, see config-linux.md, Seccomp",
                    libseccomp_version(), json_quote(name)));
}

}  // namespace

bool kernel_has_action(std::uint32_t action) {
    return sys::seccomp_has_action(action & SECCOMP_RET_ACTION_FULL);
}

std::uint32_t action_from(const std::string& name, std::optional<std::uint32_t> errno_ret) {
    const std::uint32_t action = number_of(actions, name, "action");
    const std::uint32_t data = data_for(action, name, errno_ret);
    if (!kernel_has_action(action)) {
        throw std::invalid_argument(
            fmt::format("seccomp: this kernel cannot do {}: see /proc/sys/kernel/seccomp/"
                        "actions_avail for what it can",
                        name));
    }
    return action | data;
}

scmp_arg_cmp condition_from(const oci::SeccompArg& argument) {
    constexpr std::uint32_t last_argument = 5;
    if (argument.index > last_argument) {
        throw std::invalid_argument(fmt::format(
            "seccomp: a system call has arguments 0 to 5, no argument {}", argument.index));
    }
    const auto op = static_cast<scmp_compare>(number_of(operators, argument.op, "operator"));
    return {argument.index, op, argument.value, argument.value_two.value_or(0)};
}

std::vector<std::uint32_t> architectures_of(const oci::Seccomp& policy) {
    std::vector<std::uint32_t> tokens{::seccomp_arch_native()};
    for (const std::string& name : policy.architectures) {
        const std::uint32_t token = token_from(name);
        if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
    }
    return tokens;
}

std::uint32_t audit_arch_of(std::uint32_t token) {
    return token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token;
}

bool notifies(const oci::Seccomp& policy) {
    const std::string_view word = "SCMP_ACT_NOTIFY";
    return policy.default_action == word ||
           std::any_of(policy.syscalls.begin(), policy.syscalls.end(),
                       [&](const oci::SeccompSyscall& rule) { return rule.action == word; });
}

unsigned flags_from(const oci::Seccomp& policy) {
    unsigned bits = 0;
    for (const std::string& name : policy.flags) bits |= number_of(flags, name, "flag");
    if ((bits & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0 && !notifies(policy)) {
        throw std::invalid_argument(
            "seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is about calls that are notified, and "
            "no rule says SCMP_ACT_NOTIFY: leave it out");
    }
    return bits;
}

bool refuses_new_calls(std::uint32_t fallback) {
    switch (fallback & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ALLOW:
        case SECCOMP_RET_LOG:
        case SECCOMP_RET_TRACE:
        case SECCOMP_RET_USER_NOTIF: return false;
        default: return fallback != (SECCOMP_RET_ERRNO | ENOSYS);
    }
}

std::string libseccomp_version() {
    const scmp_version* const version = ::seccomp_version();
    return fmt::format("{}.{}.{}", version->major, version->minor, version->micro);
}

std::optional<std::string> call_name(std::uint32_t audit_arch, std::uint32_t number) {
    const bool x32 = audit_arch == AUDIT_ARCH_X86_64 && (number & bpf::x32_bit) != 0;
    const std::uint32_t token = x32 ? std::uint32_t{SCMP_ARCH_X32} : audit_arch;
    const std::unique_ptr<char, void (*)(void*)> name{
        ::seccomp_syscall_resolve_num_arch(token, static_cast<int>(number)), std::free};
    return name ? std::optional<std::string>{name.get()} : std::nullopt;
}

std::string unknown_call(const std::string& name) {
    return fmt::format("seccomp: libseccomp {} knows no system call {}: its rule has no effect",
                       libseccomp_version(), json_quote(name));
}

}  // namespace tenon::seccomp
