// Which modules there are, and the one write that names a label.
#include "tenon/lsm.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr const char* unconfined = "unconfined";

UniqueFd open_folder(const char* path) {
    return sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
}

// A kernel that runs SELinux registers its file system, mounted or not.
bool lists_selinuxfs(std::string_view filesystems) {
    return filesystems.find("\tselinuxfs\n") != std::string_view::npos;
}

void check_text(std::string_view what, std::string_view label) {
    for (const char c : label) {
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
            throw std::invalid_argument(
                fmt::format("{} has a blank or a control character: no label does", what));
        }
    }
}

void require(bool present, std::string_view what, std::string_view label, std::string_view how) {
    if (present) return;
    throw std::invalid_argument(
        fmt::format("{} '{}': this kernel does not run {}, so the "
                    "container would be unprotected: take it out of "
                    "config.json, or use such a kernel",
                    what, label, how));
}

// Nothing has to be written for a profile that says that there is none.
bool wants_apparmor(const LsmLabels& labels, const LsmSupport& support) {
    const bool nothing = labels.apparmor_profile.empty() ||
                         (labels.apparmor_profile == unconfined && !support.apparmor);
    return !nothing;
}

// Since Linux 5.8 AppArmor has a folder of its own; attr/exec belongs to whichever module is first.
UniqueFd open_attribute(FdRef proc, const char* own, const char* shared) {
    constexpr std::uint64_t inside = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
    try {
        return sys::openat2(proc, own, O_WRONLY, inside);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return sys::openat2(proc, shared, O_WRONLY, inside);
    }
}

// ENOENT and EINVAL here speak of the label, not of a file.
void write_label(FdRef file, const std::string& text, const std::string& what) {
    try {
        sys::write_once(file, text, what);
    } catch (const SysError& error) {
        throw SysError(error.error(), "apply label", what);
    }
}

}  // namespace

LsmSupport read_lsm_support(FdRef proc, FdRef sys) {
    const auto enabled = read_kernel_file_if_present(sys, "module/apparmor/parameters/enabled");
    const auto filesystems = read_kernel_file_if_present(proc, "filesystems");
    return {.apparmor = enabled && enabled->starts_with('Y'),
            .selinux = filesystems && lists_selinuxfs(*filesystems)};
}

LsmSupport own_lsm_support() {
    return read_lsm_support(open_folder("/proc"), open_folder("/sys"));
}

void check_labels(const LsmLabels& labels, const LsmSupport& support) {
    check_text("process.apparmorProfile", labels.apparmor_profile);
    check_text("process.selinuxLabel", labels.selinux_label);
    check_text("linux.mountLabel", labels.mount_label);
    if (wants_apparmor(labels, support)) {
        require(support.apparmor, "process.apparmorProfile", labels.apparmor_profile, "AppArmor");
    }
    if (!labels.selinux_label.empty()) {
        require(support.selinux, "process.selinuxLabel", labels.selinux_label, "SELinux");
    }
    if (!labels.mount_label.empty()) {
        require(support.selinux, "linux.mountLabel", labels.mount_label, "SELinux");
    }
}

void apply_mount_label(const std::string& label, MountPlan& plan) {
    constexpr std::array<std::string_view, 5> labelled_by_the_kernel{"proc", "sysfs", "cgroup2",
                                                                     "cgroup", "mqueue"};
    if (label.empty()) return;
    for (MountStep& step : plan.steps) {
        const auto found = std::find(labelled_by_the_kernel.begin(), labelled_by_the_kernel.end(),
                                     std::string_view{step.fstype});
        if (step.kind != MountKind::Filesystem || found != labelled_by_the_kernel.end()) continue;
        step.data.push_back("context=" + label);
    }
}

UniqueFd open_host_proc() {
    UniqueFd proc = open_folder("/proc");
    if (sys::file_system_type(proc) != PROC_SUPER_MAGIC) {
        throw std::runtime_error("/proc is no procfs: a label written there would reach nobody");
    }
    return proc;
}

void write_exec_labels(const LsmLabels& labels, const LsmSupport& support, FdRef proc) {
    const trace::Step step{8, "label the program", "the security module judges it from execve on"};
    if (wants_apparmor(labels, support)) {
        const UniqueFd file =
            open_attribute(proc, "thread-self/attr/apparmor/exec", "thread-self/attr/exec");
        write_label(file, "exec " + labels.apparmor_profile,
                    "AppArmor profile " + labels.apparmor_profile);
    }
    if (!labels.selinux_label.empty()) {
        const UniqueFd file =
            open_attribute(proc, "thread-self/attr/selinux/exec", "thread-self/attr/exec");
        write_label(file, labels.selinux_label, "SELinux label " + labels.selinux_label);
    }
}

}  // namespace tenon
