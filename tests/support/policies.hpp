// Policies, and what they mean, said a second time: by going through the rules as a person would,
// without any program. libseccomp's tables of numbers are used, its compiler is not.
#pragma once

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tenon/oci_seccomp.hpp"
#include "tenon/seccomp_program.hpp"

namespace tenon::test {

using Arguments = std::array<std::uint64_t, 6>;

inline constexpr std::uint32_t x32_bit = 0x40000000;

inline seccomp_data call_of(std::uint32_t arch, std::uint32_t number, const Arguments& args = {}) {
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = arch;
    std::copy(args.begin(), args.end(), call.args);
    return call;
}

// The number of a call on x86_64.
inline std::uint32_t number_of(const char* name) {
    return static_cast<std::uint32_t>(::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name));
}

inline std::uint32_t native(const seccomp::Program& program, const char* name,
                            const Arguments& args = {}) {
    return seccomp::evaluate(program, call_of(AUDIT_ARCH_X86_64, number_of(name), args));
}

inline oci::SeccompSyscall rule(std::vector<std::string> names, std::string action,
                                std::vector<oci::SeccompArg> args = {}) {
    oci::SeccompSyscall made;
    made.names = std::move(names);
    made.action = std::move(action);
    made.args = std::move(args);
    return made;
}

inline oci::SeccompArg arg(std::uint32_t index, std::string op, std::uint64_t value) {
    oci::SeccompArg made;
    made.index = index;
    made.op = std::move(op);
    made.value = value;
    return made;
}

inline oci::Seccomp policy(std::string fallback, std::vector<oci::SeccompSyscall> rules) {
    oci::Seccomp made;
    made.default_action = std::move(fallback);
    made.syscalls = std::move(rules);
    return made;
}

// What a policy says about a call.
class PlainReading {
  public:
    explicit PlainReading(const oci::Seccomp& policy) : policy_(policy) {
        tokens_ = {SCMP_ARCH_X86_64};
        for (const std::string& name : policy.architectures) {
            if (name == "SCMP_ARCH_X86") tokens_.push_back(SCMP_ARCH_X86);
            if (name == "SCMP_ARCH_X32") tokens_.push_back(SCMP_ARCH_X32);
        }
        for (const std::uint32_t token : tokens_) read_for(token);
    }

    // Whether any rule names the call.
    [[nodiscard]] bool speaks_of(const seccomp_data& call) const {
        const auto rules = rules_.find(token_of(call));
        return rules != rules_.end() && rules->second.contains(static_cast<std::uint32_t>(call.nr));
    }

    [[nodiscard]] std::uint32_t action(const seccomp_data& call) const {
        const std::uint32_t token = token_of(call);
        if (std::find(tokens_.begin(), tokens_.end(), token) == tokens_.end()) {
            return SECCOMP_RET_KILL_THREAD;
        }
        const auto number = static_cast<std::uint32_t>(call.nr);
        if (is_error() && number > last_.at(token)) return SECCOMP_RET_ERRNO | ENOSYS;
        if (!speaks_of(call)) return fallback();
        for (const oci::SeccompSyscall* rule : rules_.at(token).at(number)) {
            const std::uint32_t named = value_of(rule->action, rule->errno_ret);
            if (named != fallback() && conditions_hold(*rule, call)) return named;
        }
        return fallback();
    }

  private:
    static std::uint32_t value_of(const std::string& name, std::optional<std::uint32_t> data) {
        if (name == "SCMP_ACT_ALLOW") return SECCOMP_RET_ALLOW;
        if (name == "SCMP_ACT_ERRNO") return SECCOMP_RET_ERRNO | data.value_or(EPERM);
        if (name == "SCMP_ACT_TRACE") return SECCOMP_RET_TRACE | data.value_or(EPERM);
        if (name == "SCMP_ACT_TRAP") return SECCOMP_RET_TRAP;
        if (name == "SCMP_ACT_LOG") return SECCOMP_RET_LOG;
        if (name == "SCMP_ACT_NOTIFY") return SECCOMP_RET_USER_NOTIF;
        if (name == "SCMP_ACT_KILL_PROCESS") return SECCOMP_RET_KILL_PROCESS;
        return SECCOMP_RET_KILL_THREAD;
    }
    [[nodiscard]] std::uint32_t fallback() const {
        return value_of(policy_.default_action, policy_.default_errno_ret);
    }
    [[nodiscard]] bool is_error() const {
        const std::string& name = policy_.default_action;
        const bool passes = name == "SCMP_ACT_ALLOW" || name == "SCMP_ACT_LOG" ||
                            name == "SCMP_ACT_TRACE" || name == "SCMP_ACT_NOTIFY";
        return !passes && fallback() != (SECCOMP_RET_ERRNO | ENOSYS);
    }
    static std::uint32_t token_of(const seccomp_data& call) {
        const bool x32 = (static_cast<std::uint32_t>(call.nr) & x32_bit) != 0;
        return call.arch == AUDIT_ARCH_X86_64 && x32 ? std::uint32_t{SCMP_ARCH_X32} : call.arch;
    }
    void read_for(std::uint32_t token) {
        last_[token] = UINT32_MAX;
        for (const oci::SeccompSyscall& rule : policy_.syscalls) {
            for (const std::string& name : rule.names) {
                const int number = ::seccomp_syscall_resolve_name_arch(token, name.c_str());
                if (number >= 0) rules_[token][static_cast<std::uint32_t>(number)].push_back(&rule);
            }
        }
        if (rules_.contains(token)) last_[token] = rules_.at(token).rbegin()->first;
    }
    static bool compares(const oci::SeccompArg& arg, std::uint64_t given) {
        if (arg.op == "SCMP_CMP_NE") return given != arg.value;
        if (arg.op == "SCMP_CMP_LT") return given < arg.value;
        if (arg.op == "SCMP_CMP_LE") return given <= arg.value;
        if (arg.op == "SCMP_CMP_EQ") return given == arg.value;
        if (arg.op == "SCMP_CMP_GE") return given >= arg.value;
        if (arg.op == "SCMP_CMP_GT") return given > arg.value;
        return (given & arg.value) == arg.value_two.value_or(0);
    }
    static bool conditions_hold(const oci::SeccompSyscall& rule, const seccomp_data& call) {
        std::map<std::uint32_t, int> times;
        bool all = true;
        bool any = rule.args.empty();
        bool twice = false;
        for (const oci::SeccompArg& arg : rule.args) {
            twice = ++times[arg.index] > 1 || twice;
            const bool holds = compares(arg, call.args[arg.index]);
            all = all && holds;
            any = any || holds;
        }
        return twice ? any : all;
    }
    const oci::Seccomp& policy_;
    std::vector<std::uint32_t> tokens_;
    std::map<std::uint32_t, std::uint32_t> last_;
    std::map<std::uint32_t, std::map<std::uint32_t, std::vector<const oci::SeccompSyscall*>>>
        rules_;
};

}  // namespace tenon::test
