#include "exec_options.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "tenon/kernel_file.hpp"
#include "tenon/running_container.hpp"

namespace tenon::cli {

namespace {

oci::Process read_process(const std::string& path) {
    const std::string text =
        read_kernel_file(FdRef::working_directory(), path == "-" ? "/dev/stdin" : path);
    oci::ParsedProcess parsed = oci::parse_process(text);
    for (oci::Violation& each : oci::validate_process(parsed.process, "")) {
        parsed.violations.push_back(std::move(each));
    }
    if (!parsed.violations.empty()) throw oci::InvalidSpec(std::move(parsed.violations));
    return std::move(parsed.process);
}

void add_once(std::vector<std::string>& names, const std::string& name) {
    for (const std::string& each : names) {
        if (each == name) return;
    }
    names.push_back(name);
}

// Never inheritable: what is, survives into programs that files give it to (CVE-2022-29162). What
// is already, becomes ambient, too, or whoever is not root would lose it by the exec.
// capabilities(7)
void add_capabilities(const std::vector<std::string>& added, oci::Process& process) {
    if (added.empty()) return;
    if (!process.capabilities) process.capabilities.emplace();
    for (const std::string& name : added) {
        add_once(process.capabilities->bounding, name);
        add_once(process.capabilities->effective, name);
        add_once(process.capabilities->permitted, name);
        const std::vector<std::string>& kept = process.capabilities->inheritable;
        if (std::find(kept.begin(), kept.end(), name) != kept.end()) {
            add_once(process.capabilities->ambient, name);
        }
    }
}

// What a process file leaves out and the config says: where processes join, and, as with runc and
// crun, the capabilities.
void complete(oci::Process& process, const oci::Process& config) {
    if (!process.exec_cpu_affinity) process.exec_cpu_affinity = config.exec_cpu_affinity;
    if (!process.capabilities) process.capabilities = config.capabilities;
}

std::uint32_t gid_from(const std::string& text) {
    return parse_user(text).uid;  // the same form, the same bounds
}

void apply_identity(const ExecRequest& request, oci::Process& process) {
    if (!request.user.empty()) {
        const oci::User wanted = parse_user(request.user);
        process.user.uid = wanted.uid;
        if (request.user.find(':') != std::string::npos) process.user.gid = wanted.gid;
    }
    for (const std::string& text : request.additional_gids) {
        process.user.additional_gids.push_back(gid_from(text));
    }
}

}  // namespace

std::vector<Option> exec_table(ExecRequest& request) {
    return {text("process", request.process_file, "FILE",
                 "`process` of a config: all of it, in place of words and options", 'p'),
            texts("env", request.environment, "NAME=VALUE", "one more variable", 'e'),
            text("cwd", request.cwd, "DIR", "the working directory"),
            text("user", request.user, "UID[:GID]", "numbers, not names", 'u'),
            texts("additional-gids", request.additional_gids, "GID", "one more group", 'g'),
            flag("tty", request.terminal, "a terminal of the container", 't'),
            flag("detach", request.detach, "return when it runs, and let it run on", 'd'),
            text("pid-file", request.pid_file, "FILE", "is given the process's number"),
            text("console-socket", request.console_socket, "SOCKET",
                 "who listens there is sent the terminal's master"),
            text("pidfd-socket", request.pidfd_socket, "SOCKET",
                 "who listens there is sent a pidfd of the process"),
            number("preserve-fds", request.preserve_fds,
                   "that many descriptors from 3 on are the process's"),
            texts("cap", request.capabilities, "NAME", "one more capability: CAP_NET_RAW", 'c'),
            flag("no-new-privs", request.no_new_privileges, "no program may give it more rights"),
            text("apparmor", request.apparmor, "PROFILE", "in place of the config's"),
            text("process-label", request.process_label, "LABEL", "of SELinux, likewise"),
            text("cgroup", request.cgroup, "PATH", "a group below the container's"),
            flag("ignore-paused", request.ignore_paused, "also where it waits for resume"),
            ignored("no-subreaper")};
}

oci::Process process_for(const ExecRequest& request, const oci::Spec& spec,
                         const std::vector<std::string>& command) {
    if (!request.process_file.empty()) {
        oci::Process process = read_process(request.process_file);
        if (spec.process) complete(process, *spec.process);
        return process;
    }
    if (command.empty()) throw std::invalid_argument("process args cannot be empty");
    oci::Process process = *spec.process;
    process.args = command;
    process.terminal = request.terminal;
    if (!request.cwd.empty()) process.cwd = request.cwd;
    process.env.insert(process.env.end(), request.environment.begin(), request.environment.end());
    if (!request.apparmor.empty()) process.apparmor_profile = request.apparmor;
    if (!request.process_label.empty()) process.selinux_label = request.process_label;
    if (request.no_new_privileges) process.no_new_privileges = true;
    add_capabilities(request.capabilities, process);
    apply_identity(request, process);
    return process;
}

}  // namespace tenon::cli
