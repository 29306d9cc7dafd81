// libseccomp reports by negative errno values, which mean something else with each function.
#include "compiled.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/log.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/seccomp_words.hpp"

namespace tenon::seccomp {

namespace {

// From here on a list is slower than a tree. With no rule at all libseccomp 2.5's tree is broken.
constexpr std::size_t calls_worth_a_tree = 32;

std::size_t calls_in(const oci::Seccomp& policy) {
    std::size_t calls = 0;
    for (const oci::SeccompSyscall& rule : policy.syscalls) calls += rule.names.size();
    return calls;
}

}  // namespace

Context new_context(std::uint32_t fallback, const oci::Seccomp& policy) {
    Context context{::seccomp_init(fallback)};
    if (!context) throw std::bad_alloc();
    if (calls_in(policy) > calls_worth_a_tree) {
        // libseccomp 2.5; an older one makes a list, which is as right.
        ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }
    return context;
}

void add_architecture(const Context& context, std::uint32_t token) {
    const int rc = ::seccomp_arch_add(context.get(), token);
    if (rc == 0 || rc == -EEXIST) return;
    if (rc == -EDOM) {
        throw std::invalid_argument(
            "seccomp: the architectures have different byte orders, and one filter cannot serve "
            "both: leave out those that this machine does not run");
    }
    throw SysError(-rc, "seccomp_arch_add");
}

Program exported(const Context& context) {
    const UniqueFd file = sys::memfd_create("tenon-seccomp");
    const int rc = ::seccomp_export_bpf(context.get(), file.ref().number());
    if (rc < 0) throw SysError(-rc, "seccomp_export_bpf");
    const auto bytes = static_cast<std::size_t>(sys::fstat(file).st_size);
    const std::string text = sys::pread_start(file, bytes);
    Program program(text.size() / sizeof(sock_filter));
    std::memcpy(program.data(), text.data(), program.size() * sizeof(sock_filter));
    return program;
}

void refuse(int rc, const std::string& call) {
    if (rc == 0) return;
    if (rc == -EEXIST) {
        throw std::invalid_argument(fmt::format(
            "seccomp: two rules for {} have the same conditions and different actions: leave one",
            printable(call)));
    }
    if (rc == -ENOMEM) throw std::bad_alloc();
    throw std::invalid_argument(fmt::format("seccomp: libseccomp refuses the rule for {}: {}",
                                            printable(call), errno_name(-rc)));
}

void require_sound(const Program& program) {
    const std::string fault = fault_in(program);
    if (!fault.empty())
        throw std::invalid_argument("seccomp: the filter cannot be loaded: " + fault);
}

}  // namespace tenon::seccomp
