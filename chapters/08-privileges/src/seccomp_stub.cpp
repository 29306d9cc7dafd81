// A profile lists the calls of its day. A call that came later gets the default action, EPERM as a
// rule, and a program that asks for it believes that it may not, where it should believe that the
// kernel is too old and use what was there before: so glibc 2.33's faccessat2, and clone3 in 2.34,
// broke under profiles that were older. Numbers are handed out upwards, so "later" is "greater than
// every number that the profile names". After runc's idea (libcontainer/seccomp/patchbpf).
//
//     load arch
//     x86_64?  load number;  x32 bit?  above the last x32 call?  return ENOSYS
//                                      above the last call?      return ENOSYS
//     i386?    load number;            above the last call?      return ENOSYS
//     (the filter)
#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>

#include "tenon/seccomp.hpp"
#include "tenon/seccomp_bpf.hpp"
#include "tenon/seccomp_words.hpp"

namespace tenon::seccomp {

namespace {

// The greatest numbers named, for what the kernel calls one architecture.
struct LastCalls {
    std::optional<std::uint32_t> own;
    std::optional<std::uint32_t> x32;
};

// Nothing where this architecture does not have the call.
std::optional<std::uint32_t> number_of(const std::string& name, std::uint32_t token) {
    const int number = ::seccomp_syscall_resolve_name_arch(token, name.c_str());
    if (number < 0) return {};
    return static_cast<std::uint32_t>(number);
}

std::optional<std::uint32_t> last_call(const oci::Seccomp& policy, std::uint32_t token) {
    std::optional<std::uint32_t> last;  // less than any number
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        for (const std::string& name : rule.names) last = std::max(last, number_of(name, token));
    }
    return last;
}

std::map<std::uint32_t, LastCalls> last_calls(const oci::Seccomp& policy) {
    std::map<std::uint32_t, LastCalls> found;
    for (const std::uint32_t token : architectures_of(policy)) {
        LastCalls& last = found[audit_arch_of(token)];
        (token == SCMP_ARCH_X32 ? last.x32 : last.own) = last_call(policy, token);
    }
    return found;
}

// Stands for "to the filter", until it is known where that begins.
constexpr std::uint32_t to_filter = 0xffffffff;

void append(Program& program, const Program& part) {
    program.insert(program.end(), part.begin(), part.end());
}

// With the number in the accumulator. A profile that names no call of this kind says nothing about
// which is new.
Program refuse_above(std::optional<std::uint32_t> last) {
    if (!last) return {bpf::jump(to_filter)};
    return {bpf::jump_if(BPF_JGT, *last, 0, 1), bpf::give_back(SECCOMP_RET_ERRNO | ENOSYS),
            bpf::jump(to_filter)};
}

// With the architecture in the accumulator; it is there still when it is another one.
Program block_for(std::uint32_t audit_arch, const LastCalls& last) {
    Program body{bpf::load(bpf::number_offset)};
    if (audit_arch == audit_arch_of(SCMP_ARCH_X32)) {
        const Program x32 = refuse_above(last.x32);
        body.push_back(
            bpf::jump_if(BPF_JSET, bpf::x32_bit, 0, static_cast<std::uint8_t>(x32.size())));
        append(body, x32);
    }
    append(body, refuse_above(last.own));
    Program block{bpf::jump_if(BPF_JEQ, audit_arch, 0, static_cast<std::uint8_t>(body.size()))};
    append(block, body);
    return block;
}

}  // namespace

Program stub_for_new_calls(const oci::Seccomp& policy) {
    const std::uint32_t fallback = action_from(policy.default_action, policy.default_errno_ret);
    if (!refuses_new_calls(fallback)) return {};
    Program stub{bpf::load(bpf::arch_offset)};
    for (const auto& [audit_arch, last] : last_calls(policy)) {
        if (last.own || last.x32) append(stub, block_for(audit_arch, last));
    }
    if (stub.size() == 1) return {};
    for (std::size_t at = 0; at < stub.size(); ++at) {
        const bool open = stub[at].code == (BPF_JMP | BPF_JA) && stub[at].k == to_filter;
        if (open) stub[at].k = static_cast<std::uint32_t>(stub.size() - at - 1);
    }
    return stub;
}

}  // namespace tenon::seccomp
