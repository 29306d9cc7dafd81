// The objects of config-linux.md but its resources: see fields.hpp. runtime-spec 1.3.0
#pragma once

#include "tables_resources.hpp"
#include "tenon/oci_linux.hpp"

namespace tenon::oci {

template <>
inline constexpr auto table<IdMapping> = object("config-linux.md, User namespace mappings",
                                                required("containerID", &IdMapping::container_id),
                                                required("hostID", &IdMapping::host_id),
                                                required("size", &IdMapping::size));

template <>
inline constexpr auto table<LinuxNamespace> = object("config-linux.md, Namespaces",
                                                     required("type", &LinuxNamespace::type),
                                                     optional("path", &LinuxNamespace::path));

template <>
inline constexpr auto table<Device> =
    object("config-linux.md, Devices", required("path", &Device::path),
           required("type", &Device::type), optional("major", &Device::major),
           optional("minor", &Device::minor), optional("fileMode", &Device::file_mode),
           optional("uid", &Device::uid), optional("gid", &Device::gid));

template <>
inline constexpr auto table<NetDevice> = object("config-linux.md, Network Devices",
                                                optional("name", &NetDevice::name));

template <>
inline constexpr auto table<TimeOffset> = object("config-linux.md, Offset for Time Namespace",
                                                 optional("secs", &TimeOffset::secs),
                                                 optional("nanosecs", &TimeOffset::nanosecs));

template <>
inline constexpr auto table<Personality> = object("config-linux.md, Personality",
                                                  required("domain", &Personality::domain),
                                                  optional("flags", &Personality::flags));

template <>
inline constexpr auto table<IntelRdt> =
    object("config-linux.md, IntelRdt", optional("closID", &IntelRdt::clos_id),
           optional("schemata", &IntelRdt::schemata),
           optional("l3CacheSchema", &IntelRdt::l3_cache_schema),
           optional("memBwSchema", &IntelRdt::mem_bw_schema),
           optional("enableMonitoring", &IntelRdt::enable_monitoring));

template <>
inline constexpr auto table<MemoryPolicy> = object("config-linux.md, Memory Policy",
                                                   required("mode", &MemoryPolicy::mode),
                                                   optional("nodes", &MemoryPolicy::nodes),
                                                   optional("flags", &MemoryPolicy::flags));

template <>
inline constexpr auto table<SeccompArg> = object("config-linux.md, Seccomp",
                                                 required("index", &SeccompArg::index),
                                                 required("value", &SeccompArg::value),
                                                 optional("valueTwo", &SeccompArg::value_two),
                                                 required("op", &SeccompArg::op));

template <>
inline constexpr auto table<SeccompSyscall> = object(
    "config-linux.md, Seccomp", required("names", &SeccompSyscall::names),
    required("action", &SeccompSyscall::action), optional("errnoRet", &SeccompSyscall::errno_ret),
    optional("args", &SeccompSyscall::args));

template <>
inline constexpr auto table<Seccomp> =
    object("config-linux.md, Seccomp", required("defaultAction", &Seccomp::default_action),
           optional("defaultErrnoRet", &Seccomp::default_errno_ret),
           optional("architectures", &Seccomp::architectures), optional("flags", &Seccomp::flags),
           optional("listenerPath", &Seccomp::listener_path),
           optional("listenerMetadata", &Seccomp::listener_metadata),
           optional("syscalls", &Seccomp::syscalls));

template <>
inline constexpr auto table<Linux> = object(
    "config-linux.md",
    optional("uidMappings", &Linux::uid_mappings).in("config-linux.md, User namespace mappings"),
    optional("gidMappings", &Linux::gid_mappings).in("config-linux.md, User namespace mappings"),
    optional("sysctl", &Linux::sysctl).in("config-linux.md, Sysctl"),
    optional("resources", &Linux::resources).in("config-linux.md, Control groups"),
    optional("cgroupsPath", &Linux::cgroups_path).in("config-linux.md, Cgroups Path"),
    optional("namespaces", &Linux::namespaces).in("config-linux.md, Namespaces"),
    optional("devices", &Linux::devices).in("config-linux.md, Devices"),
    optional("netDevices", &Linux::net_devices).in("config-linux.md, Network Devices"),
    optional("seccomp", &Linux::seccomp).in("config-linux.md, Seccomp"),
    optional("rootfsPropagation", &Linux::rootfs_propagation)
        .in("config-linux.md, Rootfs Mount Propagation"),
    optional("maskedPaths", &Linux::masked_paths).in("config-linux.md, Masked Paths"),
    optional("readonlyPaths", &Linux::readonly_paths).in("config-linux.md, Readonly Paths"),
    optional("mountLabel", &Linux::mount_label).in("config-linux.md, Mount Label"),
    optional("intelRdt", &Linux::intel_rdt).in("config-linux.md, IntelRdt"),
    optional("memoryPolicy", &Linux::memory_policy).in("config-linux.md, Memory Policy"),
    optional("personality", &Linux::personality).in("config-linux.md, Personality"),
    optional("timeOffsets", &Linux::time_offsets).in("config-linux.md, Offset for Time Namespace"));

}  // namespace tenon::oci
