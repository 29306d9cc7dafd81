// A sysctl is a file below /proc/sys, and which of them are a container's own follows from its
// namespaces: the same write, made in the host's, configures the machine. So keys are judged by a
// list, and the file is opened below a /proc/sys that is procfs. CVE-2022-0811
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <stdexcept>

#include "settings_parts.hpp"
#include "tenon/error.hpp"
#include "tenon/namespaces.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

[[noreturn]] void refuse(const std::string& key, std::string_view why) {
    throw std::invalid_argument(fmt::format("/linux/sysctl: '{}': {}", key, why));
}

// As sysctl.d(5) reads it: what comes first, a dot or a slash, separates; in a dotted key a slash
// stands for a dot in a name, as of the interface eth0.100.
std::string path_of(const std::string& key) {
    std::string path = key;
    const auto first = path.find_first_of("./");
    if (first == std::string::npos || path[first] == '/') return path;
    for (char& c : path) {
        if (c == '.') {
            c = '/';
        } else if (c == '/') {
            c = '.';
        }
    }
    return path;
}

bool is_plain(std::string_view path) {
    constexpr std::string_view others = "_-./:@";
    const bool spelled = std::all_of(path.begin(), path.end(), [&](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               others.find(c) != std::string_view::npos;
    });
    const std::string framed = fmt::format("/{}/", path);
    return spelled && framed.find("//") == std::string::npos &&
           framed.find("/./") == std::string::npos && framed.find("/../") == std::string::npos;
}

// Those of ipc_namespaces(7); all of net belongs to a network namespace, network_namespaces(7).
constexpr std::array ipc_files{
    "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
    "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
};

Namespace namespace_of(const std::string& key) {
    const std::string path = path_of(key);
    if (!is_plain(path)) refuse(key, "a key is made of letters, digits, and . / _ - : @");
    if (path.starts_with("net/")) return Namespace::Net;
    if (path.starts_with("fs/mqueue/")) return Namespace::Ipc;
    if (std::find(ipc_files.begin(), ipc_files.end(), path) != ipc_files.end()) {
        return Namespace::Ipc;
    }
    if (path == "kernel/domainname") return Namespace::Uts;
    if (path == "kernel/hostname") refuse(key, "the config has a hostname of its own for that");
    refuse(key, "it is not of a namespace: it would configure the whole machine");
}

[[noreturn]] void refuse_the_hosts(const std::string& key, Namespace kind) {
    refuse(key, fmt::format("the {} namespace is the host's, and so would be the setting",
                            proc_name(kind)));
}

const oci::LinuxNamespace* listed(const oci::Linux& config, Namespace kind) {
    const auto& all = config.namespaces;
    const auto found = std::find_if(all.begin(), all.end(), [&](const oci::LinuxNamespace& ns) {
        return namespace_from_name(ns.type) == kind;
    });
    return found == all.end() ? nullptr : &*found;
}

void check_sysctl(const oci::Linux& config, const std::string& key) {
    const Namespace kind = namespace_of(key);
    const oci::LinuxNamespace* const ns = listed(config, kind);
    if (ns == nullptr) refuse_the_hosts(key, kind);
    if (!ns->path.empty() && !open_namespace(kind, ns->path)) refuse_the_hosts(key, kind);
}

void write_sysctl(FdRef directory, const std::string& key, const std::string& value) {
    const std::string subject = fmt::format("/linux/sysctl {}", key);
    try {
        const UniqueFd file =
            sys::openat2(directory, path_of(key), O_WRONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        sys::write_once(file, value, subject);
    } catch (const SysError& error) {
        throw SysError(error.error(), "sysctl", fmt::format("{} <- {}", key, value));
    }
}

bool is_own(const NamespaceOptions& namespaces, Namespace kind) {
    return namespaces.create.contains(kind) || joined_kinds(namespaces).contains(kind);
}

}  // namespace

UniqueFd open_procfs(const char* folder) {
    UniqueFd directory =
        sys::openat(FdRef::working_directory(), folder, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (sys::file_system_type(directory) == PROC_SUPER_MAGIC) return directory;
    throw SysError(ENOENT, "open procfs", folder);
}

void check_sysctls(const oci::Spec& spec) {
    if (!spec.linux) return;
    for (const auto& [key, value] : spec.linux->sysctl) check_sysctl(*spec.linux, key);
}

void apply_sysctls(const oci::Linux& config, const NamespaceOptions& namespaces) {
    if (config.sysctl.empty()) return;
    const trace::Step step{6, "write sysctls", "the kernel takes them for the writer's namespaces"};
    const UniqueFd directory = open_procfs("/proc/sys");
    for (const auto& [key, value] : config.sysctl) {
        const Namespace kind = namespace_of(key);
        if (!is_own(namespaces, kind)) refuse_the_hosts(key, kind);
        write_sysctl(directory, key, value);
    }
}

}  // namespace tenon
