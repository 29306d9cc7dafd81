// The conditions as Docker's and podman's engines decide them (moby profiles/seccomp,
// containers/common pkg/seccomp): includes have to hold all of them, no excludes may; what is left
// of a rule is a rule of config.json.
#include "tenon/seccomp_profile.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "profile_json.hpp"
#include "regular_file.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/log.hpp"

namespace tenon::seccomp {

namespace {

struct Architecture {
    std::string_view machine;  // of uname(2)
    std::string_view go;       // in a rule's conditions
    std::string_view token;    // in archMap
};

constexpr std::array machines{
    Architecture{"x86_64", "amd64", "SCMP_ARCH_X86_64"},
    Architecture{"i686", "x86", "SCMP_ARCH_X86"},
    Architecture{"aarch64", "arm64", "SCMP_ARCH_AARCH64"},
    Architecture{"armv7l", "arm", "SCMP_ARCH_ARM"},
    Architecture{"ppc64le", "ppc64le", "SCMP_ARCH_PPC64LE"},
    Architecture{"riscv64", "riscv64", "SCMP_ARCH_RISCV64"},
    Architecture{"s390x", "s390x", "SCMP_ARCH_S390X"},
    Architecture{"loongarch64", "loong64", "SCMP_ARCH_LOONGARCH64"},
    Architecture{"mips64", "mips64", "SCMP_ARCH_MIPS64"},
};

bool has_kernel(const Place& place, const ProfileContext& context) {
    try {
        return context.kernel >= KernelVersion::parse(place.text());
    } catch (const std::invalid_argument& error) {
        place.refuse(error.what());
    }
}

bool has_capability(const Place& place, const ProfileContext& context) {
    // One that nobody knows is not in the container either; so it is with the engines.
    const std::optional<Capability> number = capability_from(place.text());
    return number && context.bounding.contains(*number);
}

// Whether all that `includes` asks for is there.
bool all_hold(const Place& includes, const ProfileContext& context) {
    const std::vector<std::string> arches = includes.at("arches").texts();
    const bool named =
        std::find(arches.begin(), arches.end(), context.architecture) != arches.end();
    if (!arches.empty() && !named) return false;
    for (const Place& capability : includes.at("caps").elements()) {
        if (!has_capability(capability, context)) return false;
    }
    const Place kernel = includes.at("minKernel");
    return kernel.text_or_empty().empty() || has_kernel(kernel, context);
}

// Whether any of what `excludes` names is there.
bool any_holds(const Place& excludes, const ProfileContext& context) {
    for (const std::string& arch : excludes.at("arches").texts()) {
        if (arch == context.architecture) return true;
    }
    for (const Place& capability : excludes.at("caps").elements()) {
        if (has_capability(capability, context)) return true;
    }
    const Place kernel = excludes.at("minKernel");
    return !kernel.text_or_empty().empty() && has_kernel(kernel, context);
}

// podman's profile says an errno by name, too, for old versions by number beside it: the name
// counts.
std::optional<std::uint32_t> errno_of(const Place& name, const Place& number) {
    const std::string text = name.text_or_empty();
    if (text.empty()) return number.small_number_if_there();
    constexpr int largest_errno = 4095;
    for (int error = 1; error <= largest_errno; ++error) {
        if (errno_name(error) == text) return static_cast<std::uint32_t>(error);
    }
    name.refuse(fmt::format("{} is no errno", json_quote(text)));
}

oci::SeccompArg argument_from(const Place& place) {
    constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
    constexpr std::uint64_t last_argument = 5;
    oci::SeccompArg argument{
        .index = static_cast<std::uint32_t>(place.at("index").number(last_argument)),
        .value = place.at("value").number(any),
        .op = place.at("op").text()};
    if (place.at("valueTwo").there()) argument.value_two = place.at("valueTwo").number(any);
    return argument;
}

oci::SeccompSyscall rule_from(const Place& place) {
    oci::SeccompSyscall rule{.names = place.at("names").texts(),
                             .action = place.at("action").text(),
                             .errno_ret = errno_of(place.at("errno"), place.at("errnoRet"))};
    const std::string name = place.at("name").text_or_empty();  // the form before Docker 1.13
    if (!name.empty() && !rule.names.empty()) place.refuse("it has both name and names");
    if (!name.empty()) rule.names = {name};
    if (rule.names.empty()) place.refuse("it names no system call");
    for (const Place& argument : place.at("args").elements()) {
        rule.args.push_back(argument_from(argument));
    }
    return rule;
}

std::string_view token_of(const std::string& go) {
    for (const Architecture& one : machines) {
        if (one.go == go) return one.token;
    }
    return {};
}

std::vector<std::string> architectures_from(const Place& profile, const ProfileContext& context) {
    const Place map = profile.at("archMap");
    std::vector<std::string> listed = profile.at("architectures").texts();
    if (map.elements().empty()) return listed;
    if (!listed.empty()) map.refuse("architectures are listed, too: use one of the two");
    for (const Place& entry : map.elements()) {
        if (entry.at("architecture").text() != token_of(context.architecture)) continue;
        listed = entry.at("subArchitectures").texts();
        listed.insert(listed.begin(), entry.at("architecture").text());
        break;
    }
    return listed;
}

nlohmann::json parsed(std::string_view json) {
    try {
        return nlohmann::json::parse(json);
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument(std::string{"seccomp profile: no JSON: "} + error.what());
    }
}

}  // namespace

KernelVersion KernelVersion::parse(std::string_view text) {
    KernelVersion version;
    const char* const end = text.data() + text.size();
    const auto [dot, first] = std::from_chars(text.data(), end, version.major);
    if (first != std::errc{} || dot == end || *dot != '.') {
        throw std::invalid_argument(json_quote(text) + " is no kernel version such as 5.12");
    }
    const auto [rest, second] = std::from_chars(dot + 1, end, version.minor);
    const bool ends = rest == end || *rest == '.' || *rest == '-' || *rest == '+';
    if (second != std::errc{} || !ends) {
        throw std::invalid_argument(json_quote(text) + " is no kernel version such as 5.12");
    }
    return version;
}

ProfileContext profile_context(const CapabilitySet& bounding) {
    utsname names{};
    check(::uname(&names), "uname");
    ProfileContext context{.bounding = bounding,
                           .kernel = KernelVersion::parse(names.release),
                           .architecture = names.machine};
    for (const Architecture& one : machines) {
        if (one.machine == context.architecture) context.architecture = one.go;
    }
    return context;
}

oci::Seccomp profile_from(std::string_view json, const ProfileContext& context) {
    const nlohmann::json value = parsed(json);
    const Place profile{value, ""};
    oci::Seccomp policy{
        .default_action = profile.at("defaultAction").text(),
        .default_errno_ret = errno_of(profile.at("defaultErrno"), profile.at("defaultErrnoRet")),
        .architectures = architectures_from(profile, context),
        .flags = profile.at("flags").texts(),
        .listener_path = profile.at("listenerPath").text_or_empty(),
        .listener_metadata = profile.at("listenerMetadata").text_or_empty()};
    for (const Place& rule : profile.at("syscalls").elements()) {
        if (!all_hold(rule.at("includes"), context)) continue;
        if (any_holds(rule.at("excludes"), context)) continue;
        policy.syscalls.push_back(rule_from(rule));
    }
    return policy;
}

oci::Seccomp load_profile(const std::string& path, const ProfileContext& context) {
    constexpr std::size_t largest_profile = std::size_t{1} << 20;
    const std::string text = read_regular_file(path, largest_profile, "seccomp profile");
    try {
        return profile_from(text, context);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(fmt::format("{} (in {})", error.what(), printable(path)));
    }
}

}  // namespace tenon::seccomp
