// Three switches, each of another distribution, that keep ordinary users from user namespaces. What
// they answer is EPERM, ENOSPC, or an EPERM much later: a namespace whose root may do nothing.
#include <fmt/format.h>

#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/userns.hpp"

namespace tenon {

namespace {

// The value of a switch without its newline; empty where this kernel has none.
std::string read_switch(FdRef proc, const char* path) {
    std::string text = read_kernel_file_if_present(proc, path).value_or("");
    while (!text.empty() && text.back() <= ' ') text.pop_back();
    return text;
}

// `unconfined` is no profile; `name (enforce)` is one. Without AppArmor the file may be there and
// refuse to be read (EINVAL).
std::string read_profile(FdRef proc) {
    try {
        const std::string text = read_switch(proc, "self/attr/apparmor/current");
        return text == "unconfined" ? "" : text;
    } catch (const SysError&) {
        return {};
    }
}

}  // namespace

UsernsPolicy read_userns_policy(FdRef proc) {
    return {
        .off = read_switch(proc, "sys/kernel/unprivileged_userns_clone") == "0",
        .none_left = read_switch(proc, "sys/user/max_user_namespaces") == "0",
        .restricted = read_switch(proc, "sys/kernel/apparmor_restrict_unprivileged_userns") == "1",
        .profile = read_profile(proc)};
}

std::string explain(const UsernsPolicy& policy, bool privileged, const std::string& program) {
    if (policy.none_left) {
        return "user namespaces are switched off on this machine (user.max_user_namespaces = 0): "
               "sysctl -w user.max_user_namespaces=15000, as root";
    }
    if (privileged) return {};
    if (policy.off) {
        return "user namespaces are root's alone on this machine (kernel.unprivileged_userns_clone "
               "= 0): sysctl -w kernel.unprivileged_userns_clone=1, as root";
    }
    if (!policy.restricted || !policy.profile.empty()) return {};
    return fmt::format(
        "AppArmor lets no program without a profile use a user namespace "
        "(kernel.apparmor_restrict_unprivileged_userns = 1): as root, write \"abi <abi/4.0>, "
        "profile tenon {} flags=(unconfined) {{ userns, }}\" to /etc/apparmor.d/tenon and run "
        "apparmor_parser -r on it, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        program);
}

}  // namespace tenon
