// Where the pure functions of this chapter meet the machine.
#include "tenon/privileged_launch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/log.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/seccomp_cache.hpp"
#include "tenon/seccomp_profile.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

void warn(const std::vector<std::string>& warnings) {
    const Log log{FdRef{STDERR_FILENO}};
    for (const std::string& text : warnings) log.warning(text);
}

// A profile of an engine allows more calls to a container with more capabilities, so it is read
// when those are known.
CapabilitySet bounding_after(const PrivilegeOptions& options, const CallerPowers& powers,
                             const oci::Process& process) {
    std::vector<std::string> told_later;
    const oci::Process changed = with_privileges(process, options, all_of(powers));
    if (!changed.capabilities) return {};
    return capabilities_from(*changed.capabilities, powers.last, told_later).bounding;
}

}  // namespace

bool has_user_namespace(const oci::Spec& spec) {
    if (!spec.linux) return false;
    const std::vector<oci::LinuxNamespace>& all = spec.linux->namespaces;
    return std::any_of(all.begin(), all.end(),
                       [](const oci::LinuxNamespace& ns) { return ns.type == "user"; });
}

bool has_user_namespace(const RunningContainer& container) {
    // Two are the same if device and inode are. Whether it was this process, and not one with its
    // number, is looked at before anything is done in it. namespaces(7)
    const struct stat theirs = sys::stat(fmt::format("/proc/{}/ns/user", container.pid));
    const struct stat ours = sys::stat("/proc/self/ns/user");
    return theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino;
}

HostOffer host_offer(const PrivilegeOptions& options, const CallerPowers& powers,
                     const oci::Process& process) {
    HostOffer offer = all_of(powers);
    if (options.privileged) {
        offer.devices =
            devices_in(sys::openat(FdRef::working_directory(), "/dev", O_RDONLY | O_DIRECTORY));
    }
    if (!options.seccomp.empty() && options.seccomp != "unconfined") {
        const CapabilitySet bounding = bounding_after(options, powers, process);
        offer.seccomp = seccomp::load_profile(options.seccomp, seccomp::profile_context(bounding));
    }
    return offer;
}

oci::Spec apply_privilege_options(oci::Spec spec, const PrivilegeOptions& options,
                                  const CallerPowers& powers) {
    if (!spec.process) throw std::invalid_argument("config.json has no process: nothing to run");
    const HostOffer offer = host_offer(options, powers, *spec.process);
    return with_privileges(std::move(spec), options, offer);
}

Privileges decide_privileges(const oci::Spec& spec, const oci::Process& process,
                             const CallerPowers& powers, const seccomp::Compiler& compiler) {
    std::vector<std::string> warnings;
    Privileges privileges = privileges_from(spec, process, powers, warnings);
    compile_filter(spec, seccomp::default_cache_folder(), privileges, warnings, compiler);
    warn(warnings);
    return privileges;
}

int print_filter(const std::string& bundle) {
    const oci::Spec spec =
        oci::load_spec(sys::openat(FdRef::working_directory(), bundle, O_PATH | O_DIRECTORY));
    if (!spec.linux || !spec.linux->seccomp) {
        throw std::invalid_argument("linux.seccomp is not there: every system call is allowed");
    }
    const seccomp::Filter filter = seccomp::compile(*spec.linux->seccomp);
    warn(filter.warnings);
    Log{FdRef{STDOUT_FILENO}}.plain(seccomp::explain(filter.program));
    return 0;
}

}  // namespace tenon
