// capget and capset have no wrapper in glibc; the others are prctl's options, one function each.
#include "tenon/capability_syscalls.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "traced_call.hpp"

namespace tenon::sys {

namespace {

// Version 3 of the interface: two words of 32 bits for each set, the low one first.
using CapabilityWords = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

__user_cap_header_struct this_thread() {
    return {_LINUX_CAPABILITY_VERSION_3, 0};
}

std::uint64_t joined(std::uint32_t low, std::uint32_t high) {
    return std::uint64_t{high} << 32 | low;
}

__user_cap_data_struct word(const CapabilityBits& bits, unsigned shift) {
    return {static_cast<std::uint32_t>(bits.effective >> shift),
            static_cast<std::uint32_t>(bits.permitted >> shift),
            static_cast<std::uint32_t>(bits.inheritable >> shift)};
}

// prctl's unused arguments must be 0, and as wide as a register. `shown` is what matters of them.
long traced_prctl(const char* name, int option, unsigned long a, unsigned long b,
                  unsigned long shown) {
    return traced_call(
        "prctl", name, [&] { return ::prctl(option, a, b, 0UL, 0UL); },
        [&] { return fmt::format("{}, {}", name, shown); });
}
long traced_prctl(const char* name, int option, unsigned long a) {
    return traced_prctl(name, option, a, 0, a);
}

}  // namespace

CapabilityBits capget() {
    __user_cap_header_struct header = this_thread();
    CapabilityWords words{};
    check(::syscall(SYS_capget, &header, words.data()), "capget");
    return {.effective = joined(words[0].effective, words[1].effective),
            .permitted = joined(words[0].permitted, words[1].permitted),
            .inheritable = joined(words[0].inheritable, words[1].inheritable)};
}

void capset(const CapabilityBits& bits) {
    __user_cap_header_struct header = this_thread();
    const CapabilityWords words{word(bits, 0), word(bits, 32)};
    traced_call(
        "capset", {}, [&] { return ::syscall(SYS_capset, &header, words.data()); },
        [&] {
            return fmt::format("effective={:#x} permitted={:#x} inheritable={:#x}", bits.effective,
                               bits.permitted, bits.inheritable);
        });
}

std::optional<bool> capbset_read(int capability) {
    const int rc = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (rc < 0 && errno == EINVAL) return std::nullopt;
    return check(rc, "prctl", "PR_CAPBSET_READ") != 0;
}

void capbset_drop(int capability) {
    traced_prctl("PR_CAPBSET_DROP", PR_CAPBSET_DROP, static_cast<unsigned long>(capability));
}

bool ambient_is_set(int capability) {
    const long rc = ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET,
                            static_cast<unsigned long>(capability), 0UL, 0UL);
    return check(rc, "prctl", "PR_CAP_AMBIENT_IS_SET") != 0;
}

void ambient_raise(int capability) {
    const auto number = static_cast<unsigned long>(capability);
    traced_prctl("PR_CAP_AMBIENT_RAISE", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, number);
}

void ambient_clear_all() {
    traced_prctl("PR_CAP_AMBIENT_CLEAR_ALL", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0);
}

void set_keepcaps(bool keep) {
    traced_prctl("PR_SET_KEEPCAPS", PR_SET_KEEPCAPS, keep ? 1 : 0);
}

void set_no_new_privs() {
    traced_prctl("PR_SET_NO_NEW_PRIVS", PR_SET_NO_NEW_PRIVS, 1);
}

}  // namespace tenon::sys
