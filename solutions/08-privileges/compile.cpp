// config.json names calls and says what happens to them; the kernel wants a program that looks at
// numbers. Numbers differ by architecture, and a 64-bit kernel takes calls of several: a filter
// that knows one of them can be walked around by a program for another. libseccomp has the tables,
// and splits comparisons of 64 bits into the 32 that BPF can load.
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>

#include "compiled.hpp"
#include "tenon/seccomp.hpp"
#include "tenon/seccomp_words.hpp"
#include "tenon/trace.hpp"

namespace tenon::seccomp {

namespace {

// Which conditions have to hold together. Two on the same argument could hardly: Docker's first
// profiles meant "one of them" by that, and so it stayed. seccomp_rule_add(3) would refuse them.
std::vector<std::vector<scmp_arg_cmp>> alternatives(const std::vector<oci::SeccompArg>& args) {
    std::vector<scmp_arg_cmp> all;
    all.reserve(args.size());
    for (const oci::SeccompArg& arg : args) all.push_back(condition_from(arg));
    // BEGIN SOLUTION 08.3
    std::array<int, 6> seen{};
    bool twice = false;
    for (const scmp_arg_cmp& one : all) twice = ++seen[one.arg] > 1 || twice;
    if (!twice) return {all};
    std::vector<std::vector<scmp_arg_cmp>> each;
    each.reserve(all.size());
    for (const scmp_arg_cmp& one : all) each.push_back({one});
    return each;
    // END SOLUTION
}

// The calls of `rule`, each with each alternative.
void add_rule(scmp_filter_ctx context, const oci::SeccompSyscall& rule, std::uint32_t action,
              std::vector<std::string>& warnings) {
    const auto conditions = alternatives(rule.args);
    // BEGIN SOLUTION 08.3
    for (const std::string& name : rule.names) {
        const int number = ::seccomp_syscall_resolve_name(name.c_str());
        if (number == __NR_SCMP_ERROR) {
            warnings.push_back(unknown_call(name));
            continue;
        }
        for (const auto& together : conditions) {
            const int rc = ::seccomp_rule_add_array(
                context, action, number, static_cast<unsigned>(together.size()), together.data());
            refuse(rc, name);
        }
    }
    // END SOLUTION
}

}  // namespace

Filter compile(const oci::Seccomp& policy) {
    const trace::Step step{8, "compile the filter", "names differ from machine to machine"};
    Filter filter{.flags = flags_from(policy), .wants_listener = notifies(policy)};
    const std::uint32_t fallback = action_from(policy.default_action, policy.default_errno_ret);
    // BEGIN SOLUTION 08.3
    const Context context = new_context(fallback, policy);
    for (const std::uint32_t architecture : architectures_of(policy)) {
        add_architecture(context, architecture);
    }
    for (const oci::SeccompSyscall& rule : policy.syscalls) {
        const std::uint32_t action = action_from(rule.action, rule.errno_ret);
        // libseccomp refuses a rule that says what the default says (EACCES).
        if (action != fallback) add_rule(context.get(), rule, action, filter.warnings);
    }
    filter.program = stub_for_new_calls(policy);
    const Program rules = exported(context);
    filter.program.insert(filter.program.end(), rules.begin(), rules.end());
    // END SOLUTION
    require_sound(filter.program);
    return filter;
}

}  // namespace tenon::seccomp
