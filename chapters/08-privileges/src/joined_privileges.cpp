// The container as a file describes it, or as the kernel does.
#include "tenon/joined_privileges.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>
#include <stdexcept>

#include "regular_file.hpp"
#include "tenon/capabilities.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/option_group.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// `Name:\tvalue`, one per line. proc_pid_status(5)
std::string_view field_of(std::string_view status, std::string_view name) {
    const std::string key = fmt::format("\n{}:\t", name);
    const std::size_t at = status.find(key);
    if (at == std::string_view::npos) {
        throw std::runtime_error(fmt::format("/proc/PID/status has no line {}", name));
    }
    const std::string_view rest = status.substr(at + key.size());
    return rest.substr(0, rest.find('\n'));
}

CapabilitySet set_from(std::string_view hex) {
    std::uint64_t bits = 0;
    std::from_chars(hex.data(), hex.data() + hex.size(), bits, 16);
    return CapabilitySet::from_bits(bits);
}

// `name (enforce)` and a newline, or a NUL: the label is what stands before.
std::string label_in(std::string_view text) {
    return std::string{text.substr(0, text.find_first_of(std::string_view{" \n\0", 3}))};
}

UniqueFd open_process(const RunningContainer& container) {
    return sys::openat(FdRef::working_directory(), fmt::format("/proc/{}", container.pid),
                       O_PATH | O_DIRECTORY);
}

// How many filters judge a process. Those of whoever started us are among ours, too.
int filters_in(FdRef directory) {
    const std::string status = read_kernel_file(directory, "status");
    const std::string_view text = field_of(status, "Seccomp_filters");
    int count = 0;
    std::from_chars(text.data(), text.data() + text.size(), count);
    return count;
}

oci::Spec spec_from_kernel(const RunningContainer& container) {
    const UniqueFd directory = open_process(container);
    oci::Spec spec;
    spec.process = process_from_status(read_kernel_file(directory, "status"), container.pid);
    take_labels(directory, own_lsm_support(), *spec.process);
    sys::pidfd_send_signal(container.pidfd, 0);  // it was this process, not one with its number
    spec.linux.emplace();
    return spec;
}

oci::Process load_process(const std::string& path) {
    const std::string text = read_regular_file(path, oci::largest_config, "--process:");
    const oci::ParsedProcess parsed = oci::parse_process(text);
    std::vector<oci::Violation> violations = parsed.violations;
    const std::vector<oci::Violation> more = oci::validate_process(parsed.process, "");
    violations.insert(violations.end(), more.begin(), more.end());
    if (!violations.empty()) throw oci::InvalidSpec(violations);
    return parsed.process;
}

oci::Spec load_container(const std::string& bundle) {
    const UniqueFd folder = sys::openat(FdRef::working_directory(), bundle, O_PATH | O_DIRECTORY);
    oci::Spec spec = oci::load_spec(folder);
    if (!spec.process) throw std::invalid_argument("--bundle: its config.json has no process");
    if (!spec.linux) spec.linux.emplace();
    return spec;
}

// The wrong bundle, or a container whose policy came from the command line.
void require_same_filter(const RunningContainer& container, const oci::Spec& spec,
                         const std::string& bundle) {
    if (spec.linux->seccomp) return;
    const UniqueFd self =
        sys::openat(FdRef::working_directory(), "/proc/self", O_PATH | O_DIRECTORY);
    if (filters_in(open_process(container)) <= filters_in(self)) return;
    throw std::invalid_argument(
        fmt::format("process {}: has a system call filter, and config.json in {} has none: name "
                    "the bundle that it was started from; a policy that came by --security-opt has "
                    "to be in there",
                    container.pid, bundle));
}

void refuse_two_commands(const ExecOptions& exec, const JoinOptions& options) {
    const bool words = !exec.namespaces.command.empty();
    const bool file = !options.process_file.empty();
    if (words && file) {
        throw std::invalid_argument("--process says the command: give it, or a command");
    }
    if (!words && !file) throw std::invalid_argument("no command: give one, or --process FILE");
}

// A command that joins is who the container's own process is, unless the options say otherwise.
oci::Process joined(oci::Process process, const ExecOptions& exec, const oci::Process& own) {
    if (exec.user.empty()) {
        const std::vector<std::uint32_t> groups = process.user.additional_gids;
        process.user = own.user;
        if (!groups.empty()) process.user.additional_gids = groups;
    }
    process.capabilities = own.capabilities;
    process.no_new_privileges = own.no_new_privileges;
    process.apparmor_profile = own.apparmor_profile;
    process.selinux_label = own.selinux_label;
    return process;
}

}  // namespace

oci::Process process_from_status(std::string_view status, pid_t pid) {
    if (field_of(status, "Seccomp") != "0") {
        throw std::runtime_error(fmt::format(
            "process {}: has a system call filter, and what is in it the kernel does not tell: "
            "give --bundle DIR, the folder that it was started from",
            pid));
    }
    oci::Process process;
    process.no_new_privileges = field_of(status, "NoNewPrivs") == "1";
    const CapabilitySet bounding = set_from(field_of(status, "CapBnd"));
    const CapabilitySet permitted = set_from(field_of(status, "CapPrm"));
    oci::Capabilities& sets = process.capabilities.emplace();
    sets.bounding = names_in(bounding);
    // After no_new_privs execve gives nobody in there what is in the bounding set only.
    sets.permitted = sets.effective =
        names_in(process.no_new_privileges ? bounding & permitted : bounding);
    return process;
}

void take_labels(FdRef directory, const LsmSupport& support, oci::Process& process) {
    if (support.apparmor) {
        auto text = read_kernel_file_if_present(directory, "attr/apparmor/current");
        if (!text) text = read_kernel_file_if_present(directory, "attr/current");
        process.apparmor_profile = label_in(text.value_or(""));
    }
    if (support.selinux) {
        process.selinux_label =
            label_in(read_kernel_file_if_present(directory, "attr/current").value_or(""));
    }
}

oci::Spec spec_of_container(const RunningContainer& container, const JoinOptions& options) {
    const bool told = !options.bundle.empty();
    // A process object says everything but the filter: that is the container's.
    oci::Spec spec = told ? load_container(options.bundle) : spec_from_kernel(container);
    require_same_filter(container, spec, options.bundle);
    if (!options.process_file.empty()) spec.process = load_process(options.process_file);
    return spec;
}

oci::Process process_to_join(const ExecOptions& exec, const JoinOptions& join,
                             const oci::Spec& spec, const CallerPowers& powers,
                             const std::vector<std::string>& environment) {
    refuse_two_commands(exec, join);
    const oci::Process& own = *spec.process;
    const bool whole = !join.process_file.empty();
    const oci::Process process = whole ? own : joined(process_from(exec, environment), exec, own);
    return with_privileges(process, join.changes, all_of(powers));
}

void declare_join_options(CLI::App& exec, JoinOptions& options) {
    declare_privilege_options(exec, options.changes, true);
    OptionGroup group{exec, "Privileges"};
    group.value("-b,--bundle", "DIR",
                "the folder it was started from: capabilities, filter and user are as there",
                options.bundle);
    group.value("-p,--process", "FILE",
                "a process object of config.json: command, environment, user and privileges",
                options.process_file);
}

}  // namespace tenon
