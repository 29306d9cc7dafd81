// The objects of config.md: see fields.hpp. With the two other files, every object that a
// config.json for Linux may have. runtime-spec 1.3.0
#pragma once

#include "tables_linux.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon::oci {

template <>
inline constexpr auto table<Box> = object("config.md, Process", required("height", &Box::height),
                                          required("width", &Box::width));

template <>
inline constexpr auto table<User> = object("config.md, POSIX-platform User",
                                           required("uid", &User::uid), required("gid", &User::gid),
                                           optional("umask", &User::umask),
                                           optional("additionalGids", &User::additional_gids));

template <>
inline constexpr auto table<Capabilities> = object(
    "config.md, Linux Process", optional("bounding", &Capabilities::bounding),
    optional("effective", &Capabilities::effective),
    optional("inheritable", &Capabilities::inheritable),
    optional("permitted", &Capabilities::permitted), optional("ambient", &Capabilities::ambient));

template <>
inline constexpr auto table<Rlimit> = object("config.md, POSIX process",
                                             required("type", &Rlimit::type),
                                             required("hard", &Rlimit::hard),
                                             required("soft", &Rlimit::soft));

template <>
inline constexpr auto table<Scheduler> =
    object("config.md, Linux Process", required("policy", &Scheduler::policy),
           optional("nice", &Scheduler::nice), optional("priority", &Scheduler::priority),
           optional("flags", &Scheduler::flags), optional("runtime", &Scheduler::runtime),
           optional("deadline", &Scheduler::deadline), optional("period", &Scheduler::period));

template <>
inline constexpr auto table<IoPriority> = object("config.md, Linux Process",
                                                 required("class", &IoPriority::io_class),
                                                 required("priority", &IoPriority::priority));

template <>
inline constexpr auto table<ExecCpuAffinity> = object("config.md, Linux Process",
                                                      optional("initial",
                                                               &ExecCpuAffinity::initial),
                                                      optional("final", &ExecCpuAffinity::final));

template <>
inline constexpr auto table<Process> =
    object("config.md, Process", optional("terminal", &Process::terminal),
           optional("consoleSize", &Process::console_size), optional("user", &Process::user),
           optional("args", &Process::args), optional("env", &Process::env),
           required("cwd", &Process::cwd),
           optional("capabilities", &Process::capabilities).in("config.md, Linux Process"),
           optional("rlimits", &Process::rlimits).in("config.md, POSIX process"),
           optional("noNewPrivileges", &Process::no_new_privileges).in("config.md, Linux Process"),
           optional("apparmorProfile", &Process::apparmor_profile).in("config.md, Linux Process"),
           optional("oomScoreAdj", &Process::oom_score_adj).in("config.md, Linux Process"),
           optional("scheduler", &Process::scheduler).in("config.md, Linux Process"),
           optional("selinuxLabel", &Process::selinux_label).in("config.md, Linux Process"),
           optional("ioPriority", &Process::io_priority).in("config.md, Linux Process"),
           optional("execCPUAffinity", &Process::exec_cpu_affinity).in("config.md, Linux Process"));

template <>
inline constexpr auto table<Root> = object("config.md, Root", required("path", &Root::path),
                                           optional("readonly", &Root::readonly));

template <>
inline constexpr auto table<Mount> =
    object("config.md, Mounts", required("destination", &Mount::destination),
           optional("type", &Mount::type), optional("source", &Mount::source),
           optional("options", &Mount::options),
           optional("uidMappings", &Mount::uid_mappings).in("config.md, POSIX-platform Mounts"),
           optional("gidMappings", &Mount::gid_mappings).in("config.md, POSIX-platform Mounts"));

template <>
inline constexpr auto table<Hook> = object("config.md, POSIX-platform Hooks",
                                           required("path", &Hook::path),
                                           optional("args", &Hook::args),
                                           optional("env", &Hook::env),
                                           optional("timeout", &Hook::timeout));

template <>
inline constexpr auto table<Hooks> = object("config.md, POSIX-platform Hooks",
                                            optional("prestart", &Hooks::prestart),
                                            optional("createRuntime", &Hooks::create_runtime),
                                            optional("createContainer", &Hooks::create_container),
                                            optional("startContainer", &Hooks::start_container),
                                            optional("poststart", &Hooks::poststart),
                                            optional("poststop", &Hooks::poststop));

template <>
inline constexpr auto table<Spec> = object(
    "config.md", required("ociVersion", &Spec::oci_version).in("config.md, Specification version"),
    optional("process", &Spec::process).in("config.md, Process"),
    optional("root", &Spec::root).in("config.md, Root"),
    optional("hostname", &Spec::hostname).in("config.md, Hostname"),
    optional("domainname", &Spec::domainname).in("config.md, Domainname"),
    optional("mounts", &Spec::mounts).in("config.md, Mounts"),
    optional("hooks", &Spec::hooks).in("config.md, POSIX-platform Hooks"),
    optional("annotations", &Spec::annotations).in("config.md, Annotations"),
    optional("linux", &Spec::linux).in("config-linux.md"));

}  // namespace tenon::oci
