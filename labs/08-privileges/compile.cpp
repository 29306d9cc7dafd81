// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
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
#include "tenon/todo.hpp"

namespace tenon::seccomp {

namespace {

// Which conditions have to hold together. Two on the same argument could hardly: Docker's first
// profiles meant "one of them" by that, and so it stayed. seccomp_rule_add(3) would refuse them.
std::vector<std::vector<scmp_arg_cmp>> alternatives(const std::vector<oci::SeccompArg>& args) {
    std::vector<scmp_arg_cmp> all;
    all.reserve(args.size());
    for (const oci::SeccompArg& arg : args) all.push_back(condition_from(arg));
    // TASK 08.3  names become a program  (30 points)
    // man: seccomp(2), seccomp_rule_add(3), seccomp_export_bpf(3)
    // hint: The kernel compares numbers, and they differ from architecture to architecture, which
    //   all have a way in. Who has the tables? And what shall a program be told that calls
    //   something newer than the profile?
    // more: ./course hint 08.3
    TENON_TODO("08.3");
}

// The calls of `rule`, each with each alternative.
void add_rule(scmp_filter_ctx context, const oci::SeccompSyscall& rule, std::uint32_t action,
              std::vector<std::string>& warnings) {
    const auto conditions = alternatives(rule.args);
    // TASK 08.3, continued
    TENON_TODO("08.3");
}

}  // namespace

Filter compile(const oci::Seccomp& policy) {
    const trace::Step step{8, "compile the filter", "names differ from machine to machine"};
    Filter filter{.flags = flags_from(policy), .wants_listener = notifies(policy)};
    const std::uint32_t fallback = action_from(policy.default_action, policy.default_errno_ret);
    // TASK 08.3, continued
    TENON_TODO("08.3");
    require_sound(filter.program);
    return filter;
}

}  // namespace tenon::seccomp
