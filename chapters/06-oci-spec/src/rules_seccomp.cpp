// Rules for linux.seccomp. Names of system calls are not judged: each kernel and each architecture
// has its own. runtime-spec config-linux.md, "Seccomp"
#include <algorithm>

#include "rules.hpp"

namespace tenon::oci {

namespace {

constexpr auto actions = std::to_array<std::string_view>(
    {"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
     "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"});

constexpr auto architectures = std::to_array<std::string_view>(
    {"SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
     "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
     "SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
     "SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
     "SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
     "SCMP_ARCH_M68K",    "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB"});

constexpr auto filter_flags = std::to_array<std::string_view>(
    {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"});

constexpr auto comparisons =
    std::to_array<std::string_view>({"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
                                     "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"});

// SCMP_ACT_ERRNO and SCMP_ACT_TRACE carry a number, the other actions do not.
void judge_errno(Findings& findings, const Place& at, const std::string& action,
                 std::optional<std::uint32_t> number) {
    if (!number) return;
    if (!is_one_of(action, {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"})) {
        findings.add(at, fmt::format("{} returns no errno", shown(action)));
    }
    // SECCOMP_RET_DATA has 16 bits, and the kernel cuts an errno at 4095: seccomp(2)
    const std::int64_t highest = action == "SCMP_ACT_TRACE" ? 65535 : 4095;
    expect_range(findings, at, *number, 0, highest);
}

void judge_argument(Findings& findings, const Place& at, const SeccompArg& argument) {
    expect_range(findings, Place{at, "index"}, argument.index, 0, 5);
    expect_one_of(findings, Place{at, "op"}, argument.op, comparisons);
}

void judge_syscall(Findings& findings, const Place& at, const SeccompSyscall& rule) {
    const Place names{at, "names"};
    if (rule.names.empty()) findings.add(names, "is empty: at least one name is expected");
    each(rule.names, names,
         [&](const std::string& name, const Place& place) { expect_given(findings, place, name); });
    expect_one_of(findings, Place{at, "action"}, rule.action, actions);
    judge_errno(findings, Place{at, "errnoRet"}, rule.action, rule.errno_ret);
    each(rule.args, Place{at, "args"}, [&](const SeccompArg& argument, const Place& place) {
        judge_argument(findings, place, argument);
    });
}

bool notifies(const Seccomp& seccomp) {
    const auto is_notify = [](const SeccompSyscall& rule) {
        return rule.action == "SCMP_ACT_NOTIFY";
    };
    return seccomp.default_action == "SCMP_ACT_NOTIFY" ||
           std::any_of(seccomp.syscalls.begin(), seccomp.syscalls.end(), is_notify);
}

void judge_listener(Findings& findings, const Place& at, const Seccomp& seccomp) {
    if (seccomp.listener_path.empty() && !seccomp.listener_metadata.empty()) {
        findings.add(Place{at, "listenerMetadata"}, "needs a listenerPath");
    }
    if (seccomp.listener_path.empty() && notifies(seccomp)) {
        findings.add(Place{at, "listenerPath"},
                     "is missing: SCMP_ACT_NOTIFY needs somebody to ask");
    }
}

}  // namespace

void judge_seccomp(Findings& findings, const Place& at, const Seccomp& seccomp) {
    expect_one_of(findings, Place{at, "defaultAction"}, seccomp.default_action, actions);
    judge_errno(findings, Place{at, "defaultErrnoRet"}, seccomp.default_action,
                seccomp.default_errno_ret);
    each(seccomp.architectures, Place{at, "architectures"},
         [&](const std::string& name, const Place& place) {
             expect_one_of(findings, place, name, architectures);
         });
    each(seccomp.flags, Place{at, "flags"}, [&](const std::string& flag, const Place& place) {
        expect_one_of(findings, place, flag, filter_flags);
    });
    judge_listener(findings, at, seccomp);
    each(seccomp.syscalls, Place{at, "syscalls"},
         [&](const SeccompSyscall& rule, const Place& place) {
             judge_syscall(findings, place, rule);
         });
}

}  // namespace tenon::oci
